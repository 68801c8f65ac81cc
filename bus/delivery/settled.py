"""What the log already has of a decision: a message may be delivered again long after its decision was complete.

A consumer that was deleted, or restored from a backup, delivers everything again. Ids make that safe for the log, but
not free: a finished run would be trained a second time, and a message that was given up would get a second answer. So
an actor looks into the log before it decides on a late message, and before any costly work: the answer of a model, or a
run. The log is asked for the role's own events that the message led to. They are on subjects of few messages each.

A retried dead letter is decided although it was given up, if all that the role published instead was a reply to a
person: another answer contradicts nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bus.delivery.bus import Bus
from bus.delivery.dead_letters import REPLIES
from bus.delivery.giving_up import GIVE_UP_ORDINAL, fallback_posts
from bus.delivery.role import Role
from bus.delivery.role_spec import RoleSpec
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import derive

LATE_AFTER_S = 60.0
"""Age of an event in seconds from which its delivery is late: most decisions begin within a second."""


class EarlierDecision:
    """The traces that an earlier decision of a role about an event left in the log."""

    def __init__(self, bus: Bus, spec: RoleSpec, role: Role, envelope: Envelope, *, is_retried: bool = False) -> None:
        """Read nothing yet. `is_retried` tells that the event comes from a dead letter that a person retries."""
        self._bus = bus
        self._spec = spec
        self._role = role
        self._envelope = envelope
        self._is_retried = is_retried

    @property
    def is_possible(self) -> bool:
        """True if the event is so old that it may have been decided on."""
        return (datetime.now(UTC) - self._envelope.time).total_seconds() > LATE_AFTER_S

    async def is_complete(self) -> bool:
        """Return True if the log has the event that ends the decision, or what was published in place of it."""
        given_up = derive(self._envelope.id, self._spec.name, GIVE_UP_ORDINAL)
        for subject in self._ending_subjects():
            for event in await self._bus.own_events(subject):
                if event.id == given_up:
                    if not (self._is_retried and event.type in REPLIES):
                        return True
                elif event.cause == self._envelope.id and self._is_ending(event):
                    return True
        return False

    def _ending_subjects(self) -> Sequence[str]:
        """Return the subjects on which those events would be."""
        campaign = self._envelope.campaign
        endings = [(self._envelope.experiment, kind) for kind in self._spec.ends_with]
        fallback = [(post.experiment, type(post.event)) for post in fallback_posts(self._role, self._envelope, "")]
        places = dict.fromkeys((*endings, *fallback[:1]))
        return [subjects.event_subject_of(campaign, experiment, kind) for experiment, kind in places]

    def _is_ending(self, event: Envelope) -> bool:
        """Return True for an event that a role publishes last; one that says that it is not final is not."""
        return isinstance(event.event, self._spec.ends_with) and getattr(event.event, "final", True)
