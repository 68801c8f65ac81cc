"""People with keys of their own: what they say counts as theirs, and a revoked key is refused at once."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest

from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.throttle import NOTICE_INTERVAL_S
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import HumanMessage
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import event_filter
from lab.cancel_and_wait import cancel_and_wait
from lab.client.human_input import publish_message
from lab.home import Home
from lab.roster import role_spec
from lab.settings import Settings
from tests.support.factories import campaign_started
from tests.support.labs import move37, stored_messages

CAMPAIGN = "gates-0000"
MOST_DELAY_S = 2.0
CROWD = 300
"""Connections that one person opens."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Home, str]]:
    """A home whose own server runs with its streams, and the server's address."""
    home, port = Home(tmp_path), server.free_port()
    home.prepare()
    home.record_campaign({"id": CAMPAIGN, "seed": 0, "scale": "nano", "experiments": 1})
    process = server.start_server(home.nats, port, home.authorization())
    url = f"nats://127.0.0.1:{port}"
    asyncio.run(provision(home, url))
    yield home, url
    process.terminate()
    process.wait(10)


async def admin(home: Home, url: str) -> NatsTransport:
    """Connect as the lab."""
    identity = Identity(access.ADMIN, keys.seed_path(home.keys, access.ADMIN))
    return await NatsTransport.connect(url, name="test", identity=identity)


async def provision(home: Home, url: str) -> None:
    """Create the streams."""
    transport = await admin(home, url)
    await transport.provision()
    await transport.close()


async def heard_subjects(home: Home, url: str) -> list[str]:
    """Return the subject of every message of people, oldest first."""
    transport = await admin(home, url)
    messages = await stored_messages(transport, subjects.HUMAN)
    await transport.close()
    return [stored.subject for stored in messages]


def person_settings(home: Home, url: str, seed: Path) -> Settings:
    """Return the settings of a person who has a seed and no home but the campaign's record."""
    return Settings(home=home.root, nats=url, nkey_file=seed)


def test_a_person_speaks_on_a_subject_of_their_own(lab: tuple[Home, str], tmp_path: Path) -> None:
    """The lab's running server knows a new key at once; the owner's key speaks without a name."""
    home, url = lab
    seed = Path(move37("keys", "add", "ada", "--home", str(home.root)).strip())
    moved = tmp_path / "elsewhere" / seed.name  # as a person gets it: without the other seeds
    moved.parent.mkdir()
    keys.write_seed(moved, keys.read_seed(seed))
    message = {"text": "try decay", "by": "eve"}
    asyncio.run(publish_message(person_settings(home, url, moved), message))
    asyncio.run(publish_message(person_settings(home, url, keys.seed_path(home.keys, access.HUMAN)), message))
    assert asyncio.run(heard_subjects(home, url)) == [f"lab.human.{CAMPAIGN}.ada", f"lab.human.{CAMPAIGN}"]


def test_a_revoked_key_is_refused(lab: tuple[Home, str]) -> None:
    """An open connection ends, and a new one is not let in; other keys stay."""
    home, url = lab
    seed = Path(move37("keys", "add", "ada", "--home", str(home.root)).strip())
    secret = seed.read_text().strip()

    async def connect() -> nats.NATS:
        return await nats.connect(url, nkeys_seed_str=secret, allow_reconnect=False, connect_timeout=5)

    async def use_and_revoke() -> None:
        client = await connect()
        await client.flush()
        await asyncio.to_thread(move37, "keys", "revoke", "ada", "--home", str(home.root))
        async with asyncio.timeout(10):
            while client.is_connected:
                await asyncio.sleep(0.05)
        with pytest.raises((nats.errors.Error, OSError)):
            await connect()

    asyncio.run(use_and_revoke())
    assert "has no key" in move37("keys", "revoke", "ada", "--home", str(home.root), code=1)
    asyncio.run(provision(home, url))


def test_many_connections_of_one_key_keep_nobody_out_and_end_with_the_key(
    lab: tuple[Home, str], tmp_path: Path
) -> None:
    """The server does not limit the connections of a key; others speak meanwhile, and a revocation closes all."""
    home, url = lab
    ada, bob = (Path(move37("keys", "add", name, "--home", str(home.root)).strip()) for name in ("ada", "bob"))
    secret = ada.read_text().strip()
    moved = tmp_path / "elsewhere" / bob.name
    moved.parent.mkdir()
    keys.write_seed(moved, keys.read_seed(bob))

    async def crowd() -> None:
        clients = [await nats.connect(url, nkeys_seed_str=secret, allow_reconnect=False) for _ in range(CROWD)]
        async with asyncio.timeout(MOST_DELAY_S * max(1.0, os.getloadavg()[0])):
            await publish_message(person_settings(home, url, moved), {"text": "try decay"})
        await asyncio.to_thread(move37, "keys", "revoke", "ada", "--home", str(home.root))
        async with asyncio.timeout(30):
            while any(client.is_connected for client in clients):
                await asyncio.sleep(0.05)

    asyncio.run(crowd())
    assert asyncio.run(heard_subjects(home, url)) == [f"lab.human.{CAMPAIGN}.bob"]


def test_a_name_is_one_token_of_a_subject(tmp_path: Path) -> None:
    """Nothing is written for a name that would be another subject."""
    for name in ("a.b", "*", "Ada", ">"):
        assert "can't name a key" in move37("keys", "add", name, "--home", str(tmp_path), code=1)
    assert keys.people(tmp_path / "keys") == ()


def test_people_are_listed_and_exported(tmp_path: Path) -> None:
    """The block for another server has their keys and rights."""
    move37("keys", "add", "ada", "--home", str(tmp_path / "lab"))
    assert "person.ada" in move37("keys", "--home", str(tmp_path / "lab"))
    move37("keys", "--home", str(tmp_path / "lab"), "--export", str(tmp_path / "out"))
    block = (tmp_path / "out" / "authorization.conf").read_text()
    assert keys.public_key(tmp_path / "out" / "person.ada.nk") in block
    assert "lab.human.*.ada" in block


def test_a_flood_of_one_person_delays_another_by_no_more_than_two_seconds(lab: tuple[Home, str]) -> None:
    """Ada's 3,000 messages wait before Bob's. Too many of them are refused once and dropped; all stay in the stream."""
    home, url = lab
    messages, letters, flood_s, delay = asyncio.run(flood(home, url, count=3_000))
    rate = role_spec("desk").rate
    assert rate
    speakers = [message.by for message in messages]
    assert speakers.count("bob") == 1
    assert rate.burst <= speakers.count("ada") <= rate.burst + rate.per_second * flood_s
    assert 1 <= len(letters) <= 1 + flood_s / NOTICE_INTERVAL_S
    assert b"too many messages" in letters[0].payload
    assert delay < MOST_DELAY_S * max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))  # the load
    assert len(asyncio.run(heard_subjects(home, url))) == 3_001


async def flood(home: Home, url: str, count: int) -> tuple[list[HumanMessage], list[StoredMessage], float, float]:
    """Let Ada publish many messages and then Bob one, and only then serve the desk.

    Returns the messages that the desk took until it took Bob's, its dead letters, and how many seconds the server
    took to store them all and the desk to read them.
    """
    transport = await admin(home, url)
    bus, desk = Bus(transport, "desk"), role_spec("desk")
    await transport.provision([desk.durable] if desk.durable else ())
    started = CampaignStatus(campaign=CAMPAIGN, started=campaign_started())
    await bus.serve_query(AskCampaignStatus, lambda _: asyncio.sleep(0, started))
    begin = time.monotonic()
    for number in range(count):
        await transport.client.publish(f"lab.human.{CAMPAIGN}.ada", f"try decay {number}".encode())
    await transport.client.publish(f"lab.human.{CAMPAIGN}.bob", b"try gates")
    while await transport.last_seq(subjects.HUMAN) <= count:
        await asyncio.sleep(0.05)
    start, messages = time.monotonic(), list[HumanMessage]()
    serving = asyncio.create_task(Actor(bus, desk).run())
    async for batch in transport.follow(subjects.LOG, 0, event_filter(HumanMessage)):
        messages += [one.event for one in subjects.decode_events(batch) if isinstance(one.event, HumanMessage)]
        if messages[-1].by == "bob":
            break
    delay, flood_s = time.monotonic() - start, start - begin
    await cancel_and_wait(serving)
    letters = await stored_messages(transport, subjects.DEAD)
    await transport.close()
    return messages, letters, flood_s, delay
