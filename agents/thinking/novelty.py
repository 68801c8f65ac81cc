"""Whether a model's idea is an earlier one in other words: by source, by structure, by embedding, then by a judge.

The embedding finds the nearest five. Above `same_similarity` an idea is a repetition; below `judged_similarity` it is
new. Between the two, words can't tell a paraphrase from a neighbour (`python -m benchmarks.novelty`), so a model
compares the mechanisms. Where a source reads as a design of the grammar (`agents.design.source_reading`), its structure
is compared in place of its words, as that of a bred design. Revisions are compared by source and structure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import JsonValue

from agents.design.equivalence import normal_form
from agents.design.source_reading import design_of
from agents.design.tree import Design
from agents.llm.prompts import figures, library
from agents.llm.prompts.blocks import FactBlock
from agents.llm.schemas import Sameness
from agents.thinking.conversation import RoleConversation
from bus.delivery.role import Subdecision
from bus.vocabulary.events import CampaignStarted, CodeRevised, ProposalCreated
from bus.vocabulary.queries import AskExperiments, AskNeighbours, Experiments, Neighbour, Neighbours
from bus.wire.envelope import Envelope
from bus.wire.ids import fingerprint
from bus.wire.plain_text import clean_line

NEAREST = 5
"""Earlier ideas that an idea is compared with."""
MAX_TOKENS = 8_000
RepetitionReason = Literal["duplicate_source", "near_design", "near_motivation"]


@dataclass(frozen=True, slots=True)
class Repetition:
    """Why an idea is no new one."""

    reason: RepetitionReason
    message: str
    nearest: Neighbour | None = None


def structure_of(source: str, design: Mapping[str, JsonValue] | None = None) -> dict[str, JsonValue] | None:
    """Return the one form of the design that a source was rendered from, or that it reads as; None if it has none."""
    shape = Design.from_json(design) if design else design_of(source)
    return cast("dict[str, JsonValue]", normal_form(shape).to_json()) if shape else None


def earlier_attempt(envelope: Envelope, revised: CodeRevised) -> Subdecision[Neighbour | None]:
    """Return the experiment that had a revision's source or design before; None if it is a new one."""
    found: Neighbours = yield AskNeighbours(
        campaign=envelope.campaign, at=envelope.seq, design=revised.design, fingerprint=fingerprint(revised.source),
        exclude=envelope.experiment, k=1,
    )  # fmt: skip
    return next((one for one in found.rows if one.same_source or one.distance == 0), None)


def how_it_ended(envelope: Envelope, earlier: Neighbour) -> Subdecision[str]:
    """Return what became of an earlier experiment that a revision repeats, for the model that wrote it."""
    rows: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=(earlier.id,))
    ended = "\n".join(figures.ending(row) for row in rows.rows)
    return f"your revision is what {earlier.id} was. Which ended so: {ended or 'not yet'}"


class NoveltyJudge:
    """Compares ideas of one slot with the earlier ones that are nearest to them."""

    def __init__(self, envelope: Envelope, started: CampaignStarted, agent: str) -> None:
        """Judge in a campaign, as of an event."""
        self._talk = RoleConversation(
            envelope, started, agent, "novelty", library.text(started, "novelty"), "", max_tokens=MAX_TOKENS
        )

    def same_as(self, idea: ProposalCreated, nearest: tuple[Neighbour, ...]) -> Subdecision[Repetition | None]:
        """Return the earlier idea that this one is; None if it is none of them, or if no model answers."""
        envelope, ids = self._talk.envelope, tuple(one.id for one in nearest)
        rows: Experiments = yield AskExperiments(campaign=envelope.campaign, at=envelope.seq, ids=ids)
        ends = {row.id: figures.ending(row) for row in rows.rows}
        blocks = [
            FactBlock.of("proposed", f"{idea.name}\n{idea.motivation}", "model"),
            *(FactBlock.of("earlier", f"{ends.get(one.id, one.id)}\n{one.motivation}", "proposal") for one in nearest),
        ]
        self._talk.facts, self._talk.turns = "\n\n".join(block.text for block in blocks), []
        verdict = yield from self._talk.ask("same_task", Sameness)
        if isinstance(verdict, str):
            return None
        same = next((one for one in nearest if one.id == verdict.same_as.strip()), None)
        why = clean_line(verdict.why, 200)
        return Repetition("near_motivation", f"a judge takes it for {same.id}: {why}", same) if same else None
