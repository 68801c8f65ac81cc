"""The bus for one role: the ids of its events, and requests that are repeated while the server is away."""

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
    first, second = (Bus(MemoryTransport(), "echo", instance) for instance in ("1", "2"))
    assert first.envelope_for(post, "c", cause, 0).id == second.envelope_for(post, "c", cause, 0).id
    assert first.envelope_for(post, "c", cause, 0).id != first.envelope_for(post, "c", cause, 1).id


class Away(MemoryTransport):
    """A server that is away for the first requests."""

    def __init__(self, requests: int) -> None:
        super().__init__()
        self.remaining = requests

    async def last_seq(self, stream: str) -> int:
        self.remaining -= 1
        if self.remaining >= 0:
            raise NoAnswer("away")
        return await super().last_seq(stream)


async def test_the_newest_position_is_requested_again_while_the_server_is_away() -> None:
    """Until the patience ends."""
    assert await Bus(Away(2), "reader").newest_position() == 0
    with pytest.raises(NoAnswer):
        await Bus(Away(2), "reader").newest_position(patience=0.0)
