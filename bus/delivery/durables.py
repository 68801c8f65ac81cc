"""Which role hears which events, and the durable consumer that it hears them by.

The one table that says so: the lab provisions these consumers, and the server lets a role pull from its own alone.
"""

from collections.abc import Mapping

from bus.delivery.dead_letters import retry_durable
from bus.delivery.transport import Durable
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    Event,
    HumanMessage,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
)
from bus.wire.subjects import HUMAN, LOG, event_filter

SUBSCRIPTIONS: Mapping[str, tuple[type[Event], ...]] = {
    "director": (
        CampaignStarted, CampaignPaused, CampaignResumed, CampaignFinished, RunCompleted, AnalysisReady, CodeFailed,
        ProposalRejected, HumanMessage,
    ),
    "researcher": (ProposalRequested,),
    "engineer": (ProposalCreated, RunFailed, RunAnomaly),
    "trainer": (RunRequested,),
    "analyst": (RunCompleted, CodeFailed, ProposalRejected, HumanMessage),
}  # fmt: skip
"""Role → the events of the log it decides upon."""

DESK_INBOX = Durable("desk", HUMAN, ("lab.human.*",))
"""People's raw words: the desk hears them in place of events."""


def log_durable(role: str, kinds: tuple[type[Event], ...]) -> Durable:
    """Return the consumer of a role that decides upon events of the log."""
    return Durable(role, LOG, tuple(event_filter(kind) for kind in kinds))


INBOXES: Mapping[str, Durable] = {role: log_durable(role, kinds) for role, kinds in SUBSCRIPTIONS.items()} | {
    "desk": DESK_INBOX
}
"""Role → the consumer by which it hears what it decides upon."""
DURABLES: Mapping[str, tuple[Durable, ...]] = {role: (own, retry_durable(own.name)) for role, own in INBOXES.items()}
"""Role → every durable consumer that is its own: its inbox, and its dead letters that are handed to it again."""
ALL_DURABLES: tuple[Durable, ...] = tuple(durable for own in DURABLES.values() for durable in own)
"""What a lab provisions."""
