"""Outcomes: what became of the newest experiments, in few words, for a policy that learns which choices pay."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query


class TrialOutcome(Record):
    """What became of one experiment that a policy suggested."""

    id: str
    """The experiment."""
    policy: str | None = None
    """The policy among several that suggested it (`ProposalRequested.policy`)."""
    operator: str | None = None
    """Operator that bred its design."""
    objective: float | None = None
    """What forecasts predict, larger is better; None if it was given up or rejected."""
    flops: float | None = None
    """Forward FLOPs of its training: FLOPs per token times tokens. None if unknown."""


class Outcomes(Record):
    """Outcomes in the order in which the experiments ended."""

    rows: tuple[TrialOutcome, ...] = ()
    """At most as many as asked for, the newest."""


class AskOutcomes(Query):
    """What became of the newest experiments? Baselines, people's and imported ones are left out."""

    name: ClassVar[str] = "outcomes"
    Reply: ClassVar[type[Record]] = Outcomes

    newest: int = Field(default=200, ge=1, le=2_000)
    """So many of those that ended last."""
