"""What a model reads before it proposes: parent, references, papers, what was tried, failures, wishes and insights."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.llm.prompts import budget, figures
from agents.llm.prompts.blocks import MAX_SOURCE_CHARACTERS, MAX_TEXT_CHARACTERS, FactBlock
from bus.vocabulary.events import ProposalRequested
from bus.vocabulary.queries import Ancestry, CognitionEntry, Experiment

MAX_WEAKNESS_CHARACTERS = 2_000
"""More than an analysis writes, so that a weakness is never cut."""
RANK_SOURCE, RANK_FIGURES, RANK_INSIGHTS, RANK_TRIED, RANK_PAPER, RANK_WORDS, RANK_REFERENCE_SOURCE = range(1, 8)
"""What goes last to what goes first if the prompt is too long."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a slot is filled."""

    request: ProposalRequested
    """The slot."""
    ancestry: Ancestry
    """Parent, references, papers and ideas near the parent."""
    tried: tuple[Experiment, ...] = ()
    """Earlier ideas near the parent's, with how they ended."""
    insights: str = ""
    """The newest rolling insights of the campaign; empty before the first."""

    @property
    def parent(self) -> Experiment | None:
        """The experiment to improve on."""
        return next((one for one in self.ancestry.rows if one.id == self.request.parent), None)

    @property
    def references(self) -> list[Experiment]:
        """The other ancestors."""
        return [one for one in self.ancestry.rows if one.id != self.request.parent]


def brief(facts: Facts, max_tokens: int) -> str:
    """Return the facts of a slot as blocks, within a budget of tokens."""
    return budget.fitted(blocks(facts), max_tokens)


def blocks(facts: Facts) -> list[FactBlock]:
    """Return the facts of a slot, each as a block with its rank."""
    started, parent = facts.ancestry.started, facts.parent
    return [
        FactBlock.of("goal", started.goal if started else "", "person"),
        *(FactBlock.of("wish", words, "person") for words in facts.request.guidance),
        *(_weakness(parent) if parent else ()),
        *(_parent(parent) if parent else ()),
        *(block for one in facts.references for block in _reference(one)),
        *_insights(facts.insights),
        *(_paper(entry) for entry in facts.ancestry.cognition),
        *_tried(facts),
        *_failures(facts.ancestry.rows),
    ]


def _weakness(parent: Experiment) -> list[FactBlock]:
    """Return the weakness to answer, which stands before everything that may be long."""
    text = parent.problem
    return [FactBlock.of("weakness", text, "lab", limit=MAX_WEAKNESS_CHARACTERS, about=parent.id)] if text else []


def _parent(parent: Experiment) -> list[FactBlock]:
    found = "\n".join(parent.findings)
    return [
        FactBlock.of("parent", figures.figures(parent), "lab", limit=2 * MAX_TEXT_CHARACTERS, about=parent.id),
        *_words("parent-motivation", parent.motivation, parent),
        *(
            [FactBlock.of("parent-findings", found, "lab", rank=RANK_FIGURES, limit=2 * MAX_TEXT_CHARACTERS)]
            * bool(found)
        ),
        *_source("parent-source", parent, RANK_SOURCE),
    ]


def _reference(one: Experiment) -> list[FactBlock]:
    """Return a reference's result, its words and its source; sources go first if there is no room."""
    return [
        FactBlock.of("reference", figures.ending(one), "lab", rank=RANK_FIGURES, about=one.id),
        *_words("reference-motivation", one.motivation, one),
        *_source("reference-source", one, RANK_REFERENCE_SOURCE),
    ]


def _words(label: str, motivation: str, one: Experiment) -> list[FactBlock]:
    return [FactBlock.of(label, motivation, "proposal", rank=RANK_WORDS, about=one.id)] if motivation else []


def _source(label: str, one: Experiment, rank: int) -> list[FactBlock]:
    if not one.source:
        return []
    return [FactBlock.of(label, one.source, "proposal", rank=rank, limit=MAX_SOURCE_CHARACTERS, about=one.id)]


def _insights(text: str) -> list[FactBlock]:
    return [FactBlock.of("insights", text, "lab", rank=RANK_INSIGHTS, limit=2 * MAX_TEXT_CHARACTERS)] if text else []


def _paper(entry: CognitionEntry) -> FactBlock:
    words = f"{entry.title}\n{entry.scenario}\n{entry.algorithm}\n{entry.history}"
    return FactBlock.of("paper", words, "paper", rank=RANK_PAPER, about=entry.key)


def _tried(facts: Facts) -> list[FactBlock]:
    """Return earlier ideas near the parent's, each with how it ended."""
    ends = {one.id: figures.ending(one) for one in facts.tried}
    return [
        FactBlock.of(
            "tried", f"{ends.get(near.id, near.id)}\n{near.motivation}", "proposal", rank=RANK_TRIED, about=near.id
        )
        for near in facts.ancestry.near
    ]


def _failures(ancestors: Sequence[Experiment]) -> list[FactBlock]:
    lines = figures.all_failures(ancestors)
    if not lines:
        return []
    text = "\n".join(lines)
    return [FactBlock.of("failures", text, "candidate", rank=RANK_TRIED, limit=2 * MAX_TEXT_CHARACTERS)]
