"""The results of a campaign by arm: what the policy's designs reach, and what the controls reach without it."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events import Arm, Record
from bus.vocabulary.queries.query import Query


class ArmResults(Record):
    """What became of the designs of one arm; all scores are of screening."""

    arm: Arm
    """The arm."""
    opened: int = Field(ge=0)
    """Slots opened."""
    analysed: int = Field(ge=0)
    """Designs with a score."""
    best_loss: float | None = None
    """Lowest text loss, nats per byte; None before the first score."""
    mean_loss: float | None = None
    """Mean text loss."""
    mean_objective: float | None = None
    """Mean objective; None if the campaign ranks by fitness, or before the first score."""
    hits: int = Field(default=0, ge=0)
    """Screening hits: designs with a score whose text loss is below the best baseline's."""
    run_seconds: float = Field(default=0.0, ge=0)
    """Wall seconds of the runs behind the scores; a trainer has one core, so these are seconds of a core."""
    requests: int = Field(default=0, ge=0)
    """Requests to language models about its designs: ideas, repairs and judgements."""
    cost: float | None = None
    """Their cost in the currency of the price table; None if a model among them has no price, or none was asked."""
    tokens: float = 0.0
    """Training tokens of the designs with a score."""
    climbed: int = Field(default=0, ge=0)
    """Designs that climbed the ladder of verification."""
    confirmed: int = Field(default=0, ge=0)
    """Confirmed discoveries."""


class ResultsByArm(Record):
    """The results of every arm that has a slot, guided designs first; baselines are no arm to compare."""

    rows: tuple[ArmResults, ...] = ()
    """One for each arm."""


class AskArms(Query):
    """What has each arm reached?"""

    name: ClassVar[str] = "arms"
    Reply: ClassVar[type[Record]] = ResultsByArm
