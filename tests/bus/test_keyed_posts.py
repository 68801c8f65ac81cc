"""A post with a key: its id does not depend on how many posts precede it, so two processes' accounts both count."""

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post, ordinals
from bus.vocabulary.events import CampaignResumed
from bus.wire.envelope import Envelope, decode
from bus.wire.ids import derive
from tests.support.echo_role import ECHO, has_messages, messages_of, publish_pause, run_until


class Accounting:
    """Publishes an account with a key before each of its two events."""

    def decide(self, envelope: Envelope) -> Decision:
        """Return an event; the accounts are published on the way."""
        del envelope
        yield Post("e0001", CampaignResumed(by="account"), key="first")
        yield Post("e0001", CampaignResumed(by="account"), key="second")
        return [Post("e0001", CampaignResumed(by="echo"))]


def test_a_key_stands_in_for_the_ordinal() -> None:
    """Posts with one are not counted for the others."""
    event = CampaignResumed(by="x")
    posts = [Post("e", event), Post("e", event, key="k"), Post("e", event)]
    assert list(ordinals(posts)) == [0, "k", 1]


async def test_ids_of_other_posts_stay_as_without_the_accounts() -> None:
    """A process that made another number of accounts publishes the same event."""
    transport = MemoryTransport()
    await publish_pause(transport)
    await run_until(Actor(Bus(transport, "echo"), ECHO, Accounting()), lambda: has_messages(transport, 4))
    cause, first, second, last = [decode(stored.payload) for stored in await messages_of(transport)]
    assert [one.id for one in (first, second, last)] == [
        derive(cause.id, "echo", "first"), derive(cause.id, "echo", "second"), derive(cause.id, "echo", 0),
    ]  # fmt: skip
