"""Which messages of people an event answers to, beyond the event that caused it.

The log's causes lead from role to role. What a person said acts across them: guidance is in force for every later
slot, a veto stops a run, and a proposal becomes an experiment next to its message.
"""

from bus.vocabulary.events import HumanMessage, ProposalCreated, ProposalRequested, RunFailed
from bus.vocabulary.events.run import VETOED
from bus.wire.envelope import Envelope

DESK = "desk"


class Influence:
    """Remembers what people said, in the order of the log."""

    def __init__(self) -> None:
        """Start before anybody has spoken."""
        self._guidance: dict[str, str] = {}
        self._vetoes: dict[str, str] = {}
        self._proposal = ""

    def of(self, envelope: Envelope) -> tuple[str, ...]:
        """Return the ids of the messages that the next event of the log answers to."""
        match envelope.event:
            case HumanMessage() as message:
                self._remember(message, envelope.id)
            case ProposalRequested(guidance=guidance):
                return tuple(self._guidance[text] for text in guidance if text in self._guidance)
            case ProposalCreated() if envelope.role == DESK and self._proposal:
                return (self._proposal,)
            case RunFailed(reason=reason) if reason == VETOED and envelope.experiment in self._vetoes:
                return (self._vetoes[envelope.experiment],)
            case _:
                pass
        return ()

    def _remember(self, message: HumanMessage, event_id: str) -> None:
        if message.kind == "steer":
            self._guidance[message.text] = event_id
        elif message.kind == "veto" and message.target:
            self._vetoes[message.target] = event_id
        elif message.kind == "propose":
            self._proposal = event_id
