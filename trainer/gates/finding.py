"""What a gate says about an architecture."""

from typing import NamedTuple


class GateFinding(NamedTuple):
    """One gate's verdict."""

    gate: str
    """Which gate."""
    passed: bool
    """Whether the architecture may go on."""
    reason: str
    """Reason code; `passed` where it did."""
    evidence: str
    """What was seen, in one line; a traceback where the candidate raised."""


def passed(gate: str, evidence: str) -> GateFinding:
    """Return the verdict of a gate that found nothing wrong."""
    return GateFinding(gate, passed=True, reason="passed", evidence=evidence)


def failed(gate: str, reason: str, evidence: str) -> GateFinding:
    """Return the verdict of a gate that stops the architecture."""
    return GateFinding(gate, passed=False, reason=reason, evidence=evidence)
