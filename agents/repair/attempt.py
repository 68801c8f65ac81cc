"""One source on trial, and why it did not survive: what the engineer repairs and a model is shown."""

from dataclasses import dataclass
from typing import Any

from bus.vocabulary.events import Stage


@dataclass(frozen=True, slots=True)
class Attempt:
    """A source of an experiment, 0 being the one proposed."""

    number: int
    source: str
    design: dict[str, Any] | None = None
    """The tree of units it was rendered from, where there is one."""


@dataclass(frozen=True, slots=True)
class AttemptFault:
    """What ended an attempt."""

    stage: Stage
    reason: str
    """Reason code."""
    message: str
    """One line."""
    tail: str = ""
    """The end of what the candidate printed."""
