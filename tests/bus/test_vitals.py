"""Service discovery: the three requests of nats.micro, with the vitals of each service."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.delivery.vitals import Vitals
from bus.nats import server
from bus.nats.micro import _read_vitals, register_service, survey_services
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignPaused, Record
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.wire.envelope import Envelope
from tests.support.roles import spec_of


class Slow:
    """Asks a question in each decision."""

    def decide(self, envelope: Envelope) -> Decision:
        """Ask."""
        yield AskCampaignStatus(campaign=envelope.campaign)
        return []


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncIterator[NatsTransport]:
    """Yield a connection to the session's server."""
    transport = await NatsTransport.connect(nats_url, name="test")
    await transport.provision()
    yield transport
    await transport.close()


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
@pytest.mark.parametrize("scope", ["", ".{role}", ".{role}.{id}"])
async def test_every_request_is_answered_for_all_services_a_role_and_one_service(
    client: NatsTransport, verb: str, scope: str
) -> None:
    """An answer has the type and the fields of the protocol."""
    role = f"role-{uuid4().hex[:8]}"
    await register_service(client.client, role, "7", Vitals())
    ping = json.loads((await client.client.request(f"$SRV.PING.{role}", b"", timeout=2)).data)
    inbox = client.client.new_inbox()
    replies = await client.client.subscribe(inbox)
    await client.client.publish(f"$SRV.{verb}" + scope.format(role=role, id=ping["id"]), reply=inbox)
    while True:  # other services of the session answer too
        answer = json.loads((await replies.next_msg(timeout=2)).data)
        if answer["name"] == role:
            break
    assert answer["type"] == f"io.nats.micro.v1.{verb.lower()}_response"
    assert answer["id"] == ping["id"]
    assert answer["metadata"] == {"instance": "7", "host": os.uname().nodename}


async def test_a_survey_has_the_vitals_of_a_service(client: NatsTransport) -> None:
    """The status endpoint reports the same."""
    role, vitals = f"role-{uuid4().hex[:8]}", Vitals(in_flight=2, lag=31)
    vitals.record_error("no\nanswer")
    await register_service(client.client, role, "7", vitals)
    (service,) = [service for service in await survey_services(client.client) if service["role"] == role]
    expected = {"role": role, "instance": "7", "host": os.uname().nodename, "lag": 31, "in_flight": 2, "done": 0,
                "failed": 1, "last_error": "no answer", "draining": False, "queue_age_s": 0.0}  # fmt: skip
    assert service.items() >= expected.items()
    assert service["version"]
    asked = json.loads(await client.request(f"lab.status.{role}", b"", 2.0))
    assert asked == vitals.report() | {"uptime_s": asked["uptime_s"]}
    assert 0 <= service["uptime_s"] <= asked["uptime_s"] < 60


async def test_a_survey_without_services_is_empty(tmp_path: Path) -> None:
    """The server itself answers that there is no service."""
    port = server.free_port()
    process = server.start_server(tmp_path, port)
    transport = await NatsTransport.connect(f"nats://127.0.0.1:{port}", name="test")
    assert await survey_services(transport.client) == []
    await transport.close()
    process.terminate()
    process.wait(10)


async def test_an_actor_counts_decisions_in_flight_waiting_and_failed() -> None:
    """At first one is in flight and three wait, one of them malformed; at the end all are done."""
    transport, answer_allowed = MemoryTransport(), asyncio.Event()

    async def answer(_: AskCampaignStatus) -> Record:
        await answer_allowed.wait()
        return CampaignStatus()

    for number, experiment in enumerate(("e0001", "e0002", "e0003")):
        await Bus(transport, "director").publish(Post(experiment, CampaignPaused(by="ada")), "c", None, number)
    await transport.publish("lab.events.c.e0004.CampaignPaused", b"nonsense", "m1")
    await Bus(transport, "memory").serve_query(AskCampaignStatus, answer)
    bus = Bus(transport, "slow")
    task = asyncio.ensure_future(Actor(bus, spec_of(Slow(), "slow")).run())
    async with asyncio.timeout(10):
        while not bus.vitals.in_flight:
            await asyncio.sleep(0.01)
        assert (bus.vitals.lag, bus.vitals.done) == (3, 0)
        assert bus.vitals.queue_age_s > 0
        answer_allowed.set()
        while bus.vitals.done < 4 or bus.vitals.in_flight or bus.vitals.lag:
            await asyncio.sleep(0.01)
    assert bus.vitals.failed == 1
    counted = bus.vitals.report()["durations"]["CampaignPaused"]
    assert sum(counted["counts"]) == 3
    assert counted["sum"] > 0
    assert "JSON" in bus.vitals.last_error
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_query_handler_counts_its_replies_and_errors() -> None:
    """A malformed query counts as an error too."""
    transport = MemoryTransport()
    bus = Bus(transport, "memory")

    async def refuse(_: AskCampaignStatus) -> Record:
        raise ValueError("no such campaign")

    await bus.serve_query(AskCampaignStatus, refuse)
    await transport.request("lab.query.standing", b"{}", 1.0)
    await transport.request("lab.query.standing", b"nonsense", 1.0)
    assert bus.vitals.report().items() >= {"lag": 0, "in_flight": 0, "done": 2, "failed": 2}.items()
    assert bus.vitals.last_error.startswith("bad query")


@pytest.mark.parametrize("statistics", [{}, {"endpoints": None}, {"name": "x", "endpoints": [{"name": "status"}]}])
def test_a_service_of_another_project_is_ignored(statistics: dict[str, Any]) -> None:
    """Every service on the server answers a survey."""
    assert _read_vitals(statistics) == []
