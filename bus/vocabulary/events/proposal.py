"""An idea's life before any code runs: a slot opens, an architecture is proposed, or the idea is rejected."""

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event

Origin = Literal["baseline", "genetic", "model", "human"]
Arm = Literal["baseline", "guided"]


class ProposalRequested(Event):
    """One free slot, and what the director wants in it."""

    once: ClassVar[bool] = True

    slot: int = Field(ge=0)
    """Position in the campaign's order: baselines first, then experiments."""
    arm: Arm
    """`baseline` re-enters a human design; `guided` asks for a new one."""
    baseline: str | None = None
    """Which human design, where the arm is `baseline`."""
    parent: str | None = None
    """Experiment to start from, drawn from ranks 1–10; None while nothing has been analysed."""
    references: tuple[str, ...] = ()
    """Up to four experiments from ranks 11–50 for contrast and crossover."""
    preferences: dict[str, float] = {}
    """Factors on the chances of operators, by name (`mutate`, `crossover`, `scratch`); 1 for those not named."""
    guidance: tuple[str, ...] = ()
    """Steering messages in force, oldest first."""


class ProposalCreated(Event):
    """A named architecture with its reason and its source."""

    once: ClassVar[bool] = True

    name: str
    """Short readable name of the design."""
    motivation: str
    """Why it should work, in a few sentences. The novelty of an idea without a design is judged on this text."""
    source: str
    """A whole Python file with one token mixer (`docs/architecture.md`, "An architecture")."""
    origin: Origin
    """Who thought of it."""
    operator: str | None = None
    """How it was derived, such as `mutate:decay` or `crossover`."""
    parent: str | None = None
    """The experiment it was derived from."""
    references: tuple[str, ...] = ()
    """Other experiments it drew on."""
    design: dict[str, JsonValue] | None = None
    """The tree of units it was rendered from, where there is one."""
    cognition: tuple[str, ...] = ()
    """Keys of the cognition entries that were read."""
    guidance: tuple[str, ...] = ()
    """Guidance that was taken into account."""


class ProposalRejected(Event):
    """An idea that was not tried: too near to an earlier one, or not expressible. It keeps its reason."""

    name: str
    """Name of the idea."""
    motivation: str
    """Its reason, as proposed."""
    reason: Literal["duplicate_source", "near_design", "near_motivation", "no_answer"]
    """Why it was turned down."""
    message: str
    """The same for a reader."""
    nearest: str | None = None
    """The earlier experiment it resembles."""
    similarity: float | None = None
    """Cosine similarity to that experiment's motivation; None if texts were not compared."""
    distance: int | None = None
    """Units in which that experiment's design differs; None if designs were not compared."""
    source_hash: str = ""
    """SHA-256 of the rejected source."""
    final: bool
    """True if the slot is given up; otherwise another idea follows in the same slot."""
