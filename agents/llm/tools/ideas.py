"""similar_ideas and failures_like: what was tried before, and how it ended."""

from typing import Any, ClassVar

from pydantic import BaseModel, Field

from agents.llm.prompts import figures
from agents.llm.prompts.blocks import quote
from bus.delivery.role import Subdecision
from bus.vocabulary.queries import AskExperiments, AskNeighbours, Experiment, Experiments, Neighbours
from bus.wire.envelope import Envelope

IDEAS = 5
IDEA_CHARACTERS = 1_000
EXPERIMENTS_PER_PAGE = 300
MAX_PAGES = 15
"""Pages that one call reads: the first so many experiments of a very long campaign."""
FAILED = frozenset({"failed", "rejected"})


class IdeaArguments(BaseModel):
    """An idea to compare."""

    text: str = Field(min_length=3, max_length=1_500)
    """The idea, in words: its mechanism and what it answers."""


class SimilarIdeas:
    """Finds the earlier ideas that are nearest to one."""

    name: ClassVar[str] = "similar_ideas"
    description: ClassVar[str] = "The earlier ideas nearest to one in meaning, each with how it ended."
    Arguments: ClassVar[type[BaseModel]] = IdeaArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the nearest ideas with their results, one block each."""
        near: Neighbours = yield AskNeighbours(
            campaign=envelope.campaign, at=envelope.seq, text=arguments.text, k=IDEAS
        )
        if not near.rows:
            return "no earlier idea"
        ids = tuple(one.id for one in near.rows)
        rows: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
        ends = {row.id: figures.ending(row) for row in rows.rows}
        return "\n".join(
            quote("idea", f"{ends.get(one.id, one.id)}\n{one.motivation}", IDEA_CHARACTERS, "proposal")
            for one in near.rows
        )


class FailureArguments(BaseModel):
    """A kind of failure."""

    reason: str = Field(max_length=60)
    """A reason code such as causality, nonfinite, timeout or near_motivation, or its beginning; empty for any."""


class FailuresLike:
    """Finds the newest experiments that failed in one way."""

    name: ClassVar[str] = "failures_like"
    description: ClassVar[str] = "The newest experiments that failed for a reason, with their messages and repairs."
    Arguments: ClassVar[type[BaseModel]] = FailureArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the failures, one block for each experiment."""
        ids = yield from _failed_ids(envelope, arguments.reason)
        if not ids:
            return "no such failure"
        rows: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
        return "\n".join(
            quote("failure", "\n".join([figures.ending(row), *figures.failures(row)]), IDEA_CHARACTERS, "candidate")
            for row in rows.rows
        )


def _failed_ids(envelope: Envelope, reason: str) -> Subdecision[tuple[str, ...]]:
    """Return the newest experiments that failed for a reason; memory gives all of them page by page."""
    ids, after = list[str](), 0
    for _ in range(MAX_PAGES):
        page: Experiments = yield AskExperiments(
            campaign=envelope.campaign, at=envelope.seq, after=after, limit=EXPERIMENTS_PER_PAGE
        )
        ids += [row.id for row in page.rows if _failed(row, reason)]
        if len(page.rows) < EXPERIMENTS_PER_PAGE:
            break
        after = page.rows[-1].opened_seq
    return tuple(ids[-IDEAS:])


def _failed(row: Experiment, reason: str) -> bool:
    """Return whether an experiment ended without a result for a reason."""
    return row.status in FAILED and row.reason.startswith(reason.strip())
