"""The recorder of the hash chain: memory's process ends only after it has recorded what memory has read."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from bus.audit import chain
from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import HumanMessage
from bus.vocabulary.queries import AskCampaignStatus
from bus.wire.ids import CAMPAIGN
from lab.cancel_and_wait import cancel_and_wait
from lab.home import Home
from memory import role
from memory.retrieval.embedding import HashEmbedder
from memory.role import serve_memory


async def test_the_chain_reaches_memorys_position_before_the_process_ends(
    tmp_path: Path, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder reads the log less often than memory does, and still records the last message, at once."""
    monkeypatch.setattr(role, "CHAIN_INTERVAL_S", 30.0)
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    bus, campaign = Bus(transport, "desk"), uuid4().hex[:12]
    memory = asyncio.create_task(serve_memory(Bus(transport, "memory"), tmp_path, HashEmbedder()))
    await bus.ask(AskCampaignStatus(campaign=campaign, at=await bus.newest_position()))
    seq = await bus.publish(Post(CAMPAIGN, HumanMessage(kind="steer", text="x")), campaign)
    assert seq
    await bus.ask(AskCampaignStatus(campaign=campaign, at=seq))
    async with asyncio.timeout(10):
        await cancel_and_wait(memory)
    assert [link.seq for link in chain.read_chain(Home(tmp_path).chain)][-1] >= seq
    await transport.close()
