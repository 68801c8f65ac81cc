"""The bus of one role: the ids of its events, and requests that it repeats while the server does not answer."""

from datetime import UTC, datetime

import pytest

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Post
from bus.delivery.transport import NoAnswer
from bus.vocabulary.events import CampaignPaused, CampaignResumed
from bus.wire.envelope import Envelope


def test_ids_depend_on_cause_role_and_ordinal_alone() -> None:
    """Two processes of a role derive the same ids."""
    cause = Envelope("c1", "/lab/x/1", datetime.now(UTC), "c", "e0001", CampaignPaused(by="ada"))
    post = Post("e0001", CampaignResumed(by="ada"))
    bus, other_bus = (Bus(MemoryTransport(), "echo", instance) for instance in ("1", "2"))
    assert bus.envelope_for(post, "c", cause, 0).id == other_bus.envelope_for(post, "c", cause, 0).id
    assert bus.envelope_for(post, "c", cause, 0).id != bus.envelope_for(post, "c", cause, 1).id


class UnavailableServer(MemoryTransport):
    """A server that does not answer the first requests."""

    def __init__(self, requests: int) -> None:
        super().__init__()
        self.remaining = requests

    async def last_seq(self, stream: str) -> int:
        self.remaining -= 1
        if self.remaining >= 0:
            raise NoAnswer("no answer")
        return await super().last_seq(stream)


async def test_the_request_for_the_newest_position_is_repeated() -> None:
    """The bus repeats it until the server answers or the patience ends."""
    assert await Bus(UnavailableServer(2), "reader").newest_position() == 0
    with pytest.raises(NoAnswer):
        await Bus(UnavailableServer(2), "reader").newest_position(patience=0.0)
