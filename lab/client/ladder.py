"""The climbs of candidates as the live view shows them, built from the log's events. No I/O."""

from dataclasses import dataclass, field

from bus.vocabulary import events
from bus.wire.envelope import Envelope

LADDER_EVENTS = (
    events.PromotionDecided,
    events.VerificationCompleted,
    events.VerificationFailed,
    events.EvidenceReady,
    events.DiscoveryConfirmed,
    events.DiscoveryRefuted,
)
"""Events that change a climb."""


@dataclass
class ClimbRow:
    """One candidate on the ladder."""

    candidate: str
    rung: int = 0
    look: int = 0
    tunes: bool = False
    """Whether its newest step tries learning rates."""
    runs: set[str] = field(default_factory=set)
    """Runs that its promotions have asked for, those of baselines included."""
    outcome: str = "running"
    """What the newest look said, and in the end the verdict."""
    why: str = ""
    """The reason, with figures."""


@dataclass
class Ladder:
    """Every climb of a campaign."""

    rows: dict[str, ClimbRow] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Runs that have ended, with a score or without one."""

    def apply(self, envelope: Envelope) -> None:
        """Update the climbs with one event of the log."""
        match envelope.event:
            case events.PromotionDecided(candidate=str() as candidate) as step:
                row = self.rows.setdefault(candidate, ClimbRow(candidate))
                row.rung, row.look, row.outcome, row.tunes = step.rung, step.look, "running", step.tunes
                row.runs |= {planned.run for planned in step.runs}
            case events.VerificationCompleted(run=run) | events.VerificationFailed(run=run):
                self.ended.add(run)
            case events.EvidenceReady(outcome=outcome, why=why):
                self._judge(envelope.experiment, outcome, why)
            case events.DiscoveryConfirmed(why=why):
                self._judge(envelope.experiment, "confirmed", why)
            case events.DiscoveryRefuted(why=why):
                self._judge(envelope.experiment, "refuted", why)
            case _:
                pass

    def _judge(self, candidate: str, outcome: str, why: str) -> None:
        row = self.rows.setdefault(candidate, ClimbRow(candidate))
        row.outcome, row.why = outcome, why

    def done(self, row: ClimbRow) -> str:
        """Return how many of the runs that a candidate asked for have ended, as in `7/15`."""
        return f"{len(row.runs & self.ended)}/{len(row.runs)}"
