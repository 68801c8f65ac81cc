"""Self-revision: attempts that failed, and their repairs. The engineer publishes them."""

from typing import Literal

from pydantic import Field, JsonValue

from bus.vocabulary.events.base import Event

Stage = Literal["static", "gate", "train", "evaluate"]


class CodeFailed(Event):
    """An attempt failed at a stage. The repair and memory read the whole error."""

    attempt: int = Field(ge=0)
    """Number of the attempt; 0 is the source as proposed."""
    stage: Stage
    """Stage at which it failed."""
    reason: str
    """Reason code, such as `causality` or `timeout`."""
    message: str
    """One line for a reader."""
    tail: str = ""
    """End of the candidate's output, its traceback included."""
    final: bool
    """Whether the experiment is given up; otherwise a repair follows."""


class CodeRevised(Event):
    """The engineer repaired a source, which is tried next."""

    attempt: int = Field(ge=1)
    """Number of the attempt that this source is."""
    source: str
    """The whole repaired file."""
    change: str
    """The change and its reason."""
    repaired_by: Literal["rules", "grammar", "model"]
    """A rule for a common fault, a unit re-rendered from the design grammar, or a model."""
    design: dict[str, JsonValue] | None = None
    """The repaired design, if the source was rendered from one."""
