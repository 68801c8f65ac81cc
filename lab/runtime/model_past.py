"""What the models of a campaign that goes on have taken, from the file of its memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bus.vocabulary.queries import AskCampaignStatus, AskSpending, CampaignStatus, Spending, SpendingRow
from memory.faults import MemoryFault
from memory.queries import Knowledge, answer
from memory.store import Store


@dataclass(frozen=True, slots=True)
class AgentLoad:
    """What one agent takes for an experiment."""

    questions: float
    tokens_in: float
    """Tokens of prompts, all questions together."""
    tokens_out: float
    """Tokens of answers, all together."""

    @property
    def tokens(self) -> float:
        """All tokens."""
        return self.tokens_in + self.tokens_out

    @classmethod
    def of(cls, questions: float, tokens_in: float, tokens_out: float) -> Self:
        """Return the load of so many questions that take so much each."""
        return cls(questions, questions * tokens_in, questions * tokens_out)


def past(database: Path, campaign: str) -> tuple[dict[str, AgentLoad], int] | None:
    """Return what each agent has taken for an experiment, and how many experiments have ended.

    None if no model was asked, no experiment has ended, or the file can't be read; the lab rebuilds it at its start.
    """
    if not database.exists():
        return None
    try:
        with Store(database, read_only=True) as store:
            knowledge = Knowledge(store)
            status = answer(knowledge, AskCampaignStatus(campaign=campaign))
            spending = answer(knowledge, AskSpending(campaign=campaign))
    except MemoryFault:
        return None
    assert isinstance(status, CampaignStatus)
    assert isinstance(spending, Spending)
    done = status.settled - (len(status.started.baselines) if status.started else 0)
    return ({row.agent: _load(row, done) for row in spending.rows}, done) if spending.rows and done > 0 else None


def _load(row: SpendingRow, experiments: int) -> AgentLoad:
    return AgentLoad(row.asked / experiments, row.tokens_in / experiments, row.tokens_out / experiments)
