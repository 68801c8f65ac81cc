"""One attempt of an experiment and the fault that ended it, for the engineer and a model to repair."""

from dataclasses import dataclass
from typing import Any

from bus.vocabulary.events import Stage

TRANSIENT_REASONS = ("timeout", "limit", "no_result", "crash")
"""Beginnings of reasons that a busy machine can cause: the same source may pass the next time."""


def is_transient(reason: str) -> bool:
    """Tell whether a busy machine can cause this reason of a failure."""
    return reason.startswith(TRANSIENT_REASONS)


def is_of_the_machine(reason: str) -> bool:
    """Tell whether more likely the machine than the source caused this failure: it kills runs first for its memory."""
    return reason in {"crash:jail", "crash:SIGKILL"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A source of an experiment; attempt 0 is the source as proposed."""

    number: int
    source: str
    design: dict[str, Any] | None = None
    """The tree of units that the source was rendered from, or None."""


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
