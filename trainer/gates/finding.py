"""The finding of a gate."""

from typing import NamedTuple


class GateFinding(NamedTuple):
    """One gate's verdict on a candidate."""

    gate: str
    """Name of the gate."""
    passed: bool
    """Whether the candidate passed."""
    reason: str
    """Reason code; `passed` if it passed."""
    evidence: str
    """The measurement, in one line; if the candidate raised, its traceback follows."""


def passed(gate: str, evidence: str) -> GateFinding:
    """Return the finding of a gate that the candidate passed."""
    return GateFinding(gate, passed=True, reason="passed", evidence=evidence)


def failed(gate: str, reason: str, evidence: str) -> GateFinding:
    """Return the finding of a gate that stops the candidate."""
    return GateFinding(gate, passed=False, reason=reason, evidence=evidence)
