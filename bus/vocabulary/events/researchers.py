"""Researcher programs that are themselves searched: proposed, evaluated on landscapes, and promoted.

A meta-campaign publishes them. The evaluator is not the program, nor who proposed it, and holds the landscapes.
"""

from typing import Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event, Record

Split = Literal["search", "validation", "held_out"]
"""Which landscapes: programs evolve on the first, the winner is chosen on the second, and the third are seen once."""
MetaOperator = Literal["seed", "random", "part", "parameter", "splice", "person", "model"]
"""How a program came about: given, drawn, with a part or a parameter changed, of two parents, or written."""


class ResearcherProposed(Event):
    """A researcher program is proposed."""

    number: int = Field(ge=0)
    """Counts the programs of the campaign, seeds included."""
    name: str
    """Name of the policy in its source."""
    operator: MetaOperator
    """How it came about."""
    parents: tuple[str, ...] = ()
    """Programs that it was derived from."""
    genome: dict[str, JsonValue] | None = None
    """Its parts (`agents.meta.genome`); None for a program that was written."""
    source: str
    """The program."""
    source_sha256: str
    """SHA-256 of the source."""


class FamilyFigures(Record):
    """How a program did on the landscapes of one family."""

    gains: tuple[float, ...]
    """Entry i: true value gained over random search on the landscape of seed i, in standard deviations of random
    designs."""
    designs: int = Field(ge=1)
    """Designs that one search tried."""
    failures: int = Field(default=0, ge=0)
    """Steps that failed, over all searches."""
    cpu_seconds: float = Field(ge=0)
    """CPU seconds of the program, as the kernel counted them."""


class ResearcherEvaluated(Event):
    """A program was run on the landscapes of one split."""

    split: Split
    """The landscapes."""
    source_sha256: str
    """SHA-256 of the source that ran."""
    families: dict[str, FamilyFigures] = {}
    """Figures by family; empty if it failed."""
    fitness: float | None = None
    """Gain per unit of compute, the mean over families; None if it failed."""
    failed: str = ""
    """Why it has no fitness; empty if it has one."""
    faults: tuple[str, ...] = ()
    """What failed on the way, a few of them."""


class ResearcherPromoted(Event):
    """A program is better than the best seed on landscapes that neither was chosen on, and may become the default.

    A person's veto of the program keeps it from that.
    """

    source_sha256: str
    """SHA-256 of the source."""
    over: str
    """The seed that it beats."""
    gain: float
    """Mean paired difference on held-out landscapes, in standard deviations of random designs."""
    interval: tuple[float, float]
    """95 % interval of a paired bootstrap over landscapes."""
    landscapes: int = Field(ge=1)
    """Number of pairs."""
    evidence: tuple[str, ...]
    """Ids of the two evaluations on held-out landscapes."""
