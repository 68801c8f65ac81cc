"""Self-revision: code that failed somewhere, and its repairs. Said by the engineer."""

from typing import Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event

Stage = Literal["static", "gate", "train", "evaluate"]


class CodeFailed(Event):
    """An attempt did not survive a stage; the whole error is kept for the repair and for memory."""

    attempt: int = Field(ge=0)
    """0 is the code as proposed."""
    stage: Stage
    """Where it failed."""
    reason: str
    """Reason code, such as `causality` or `timeout`."""
    message: str
    """One line for a reader."""
    tail: str = ""
    """The end of what the candidate printed, its traceback included."""
    final: bool
    """True where no repair follows and the experiment is given up."""


class CodeRevised(Event):
    """A repaired source, to be tried again."""

    attempt: int = Field(ge=1)
    """Which attempt this source is."""
    source: str
    """The whole repaired file."""
    change: str
    """What was changed and why."""
    repaired_by: Literal["rules", "grammar", "model"]
    """A rule for a common fault, a unit re-rendered from the design grammar, or a model."""
    design: dict[str, JsonValue] | None = None
    """The design after the repair, where the source was rendered from one."""
