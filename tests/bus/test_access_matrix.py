"""Access rights, tested on a real server: every role, every subject, every verb, and a client without a key.

What each may do stands in `tests/support/access_rights.py`.
The server reports a refusal as an error before it answers a ping. So each role makes all its attempts, and then pings.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client

from bus.delivery import dead_letters
from bus.delivery.bus import Bus
from bus.delivery.transport import PermissionDenied
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import CampaignResumed
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, encode
from bus.wire.ids import CAMPAIGN
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import DEAD, HUMAN, LOG, STREAMS
from lab.roster import all_durables, decider_specs, key_names, role_specs
from tests.support.access_rights import PERSON, ROLES, durable_of, publications, published_types, subscriptions

VIOLATION = re.compile(r'(?i)permissions violation for (publish|subscription) to "([^"]+)"')
Refusals = set[tuple[str, str]]
"""(verb, subject in lower case) of each refusal."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Run a lab's own server with keys, and yield its URL and the folder of the keys."""
    folder = tmp_path_factory.mktemp("guarded")
    rules = access.authorization(keys.ensure_keys(folder / "keys", (*key_names(), PERSON)), role_specs())
    port = server.free_port()
    process = server.start_server(folder / "nats", port, rules)
    yield f"nats://127.0.0.1:{port}", folder / "keys"
    process.terminate()
    process.wait(10)


async def transport_of(guarded: tuple[str, Path], role: str) -> NatsTransport:
    """Connect as a role, as the lab does."""
    url, folder = guarded
    return await NatsTransport.connect(url, name=role, identity=Identity(role, keys.seed_path(folder, role)))


@pytest_asyncio.fixture
async def provisioned(guarded: tuple[str, Path]) -> AsyncIterator[NatsTransport]:
    """Yield the lab's own connection, after it has created all streams and consumers."""
    lab = await transport_of(guarded, "lab")
    await lab.provision(all_durables())
    yield lab
    await lab.close()


async def try_everything(guarded: tuple[str, Path], role: str, types: set[str]) -> Refusals:
    """Make every subscription and publication as a role, and return the refusals of the server."""
    url, folder = guarded
    refusals: Refusals = set()

    async def note(error: Exception) -> None:
        if match := VIOLATION.search(str(error)):
            verb = "publish" if match.group(1).lower() == "publish" else "subscribe"
            refusals.add((verb, match.group(2)))  # the client reports errors in lower case

    async def ignore(_: object) -> None:
        """Ignore a message."""

    client = Client()
    await client.connect(url, nkeys_seed=str(keys.seed_path(folder, role)), error_cb=note)
    for subject in subscriptions(role):
        await client.subscribe(subject, cb=ignore)
    for subject in publications(role, types):
        await client.publish(subject, b"{}")
    for _ in range(2):  # the client's first ping may overtake publications that it still buffers
        await client.flush(20)
    await client.close()
    return refusals


def wrong_rights(role: str, types: set[str], refusals: Refusals) -> list[str]:
    """Return a line for each right that differs from the expected one."""
    rights = {("publish", subject): may for subject, may in publications(role, types).items()}
    rights |= {("subscribe", subject): may for subject, may in subscriptions(role).items()}
    assert len(rights) > 200
    return [
        f"{role} {verb} {subject}: {'refused' if may else 'allowed'}"
        for (verb, subject), may in rights.items()
        if may is ((verb, subject.lower()) in refusals)
    ]


async def test_every_role_has_exactly_its_rights(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """The streams remain after all attempts of the roles other than the lab."""
    await provisioned.publish("lab.events.c.e0001.Test", b"test", "test")
    types = {role: published_types(role) for role in ROLES}
    limited_roles = [role for role in ROLES if role != "lab"]
    refusals = await asyncio.gather(*(try_everything(guarded, role, types[role]) for role in limited_roles))
    assert await provisioned.last_seq(LOG) >= 1
    lab_refusals = await try_everything(guarded, "lab", types["lab"])  # last, since its attempts delete streams
    pairs = zip([*limited_roles, "lab"], [*refusals, lab_refusals], strict=True)
    assert [line for role, refused in pairs for line in wrong_rights(role, types[role], refused)] == []


@pytest.mark.parametrize(
    ("event", "publishers"),
    [
        ("CampaignStarted", set()),
        ("PoolUpdated", {"director"}),
        ("ProposalRequested", {"director"}),
        ("RunRequested", {"engineer"}),
        ("RunCompleted", {"trainer"}),
        ("AnalysisReady", {"analyst"}),
        ("HumanMessage", {"desk"}),
        ("ProposalCreated", {"researcher", "desk"}),
    ],
)
def test_an_event_that_others_trust_has_few_publishers(event: str, publishers: set[str]) -> None:
    """No other role can publish a score, a request or a person's message."""
    assert {name for name in role_specs() if event in published_types(name)} == publishers


async def test_a_client_without_a_known_key_is_refused(guarded: tuple[str, Path], tmp_path: Path) -> None:
    """The client gets the error without waiting, whether it has no key or an unknown one."""
    keys.ensure_keys(tmp_path, ["trainer"])
    for identity in (Identity(), Identity("trainer", keys.seed_path(tmp_path, "trainer"))):
        with pytest.raises(PermissionDenied, match="refuses"):
            await NatsTransport.connect(guarded[0], name="x", identity=identity, wait=20.0)


async def test_a_refused_request_is_an_error(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """The researcher can't publish RunCompleted, and the trainer can't pull the researcher's messages."""
    researcher, trainer = await asyncio.gather(*(transport_of(guarded, role) for role in ("researcher", "trainer")))
    results = await asyncio.gather(
        researcher.publish("lab.events.c.e0001.RunCompleted", b"{}", "forged"),
        trainer.pull(durable_of("researcher"), 2.0),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [PermissionDenied, PermissionDenied]
    await asyncio.gather(researcher.close(), trainer.close())


async def test_no_role_puts_an_event_of_another_on_the_log(
    guarded: tuple[str, Path], provisioned: NatsTransport
) -> None:
    """The server puts a reply where the request says: what a role can make it put there is no event."""
    resumed = CampaignResumed(by="forged")
    forged = Envelope("forged", "/lab/director/1", datetime.now(UTC), "forged", CAMPAIGN, resumed)
    own, target = "lab.events.forged.e0001.RunCompleted", subjects.event_subject(forged)
    trainer = await transport_of(guarded, "trainer")
    await trainer.client.publish(own, encode(forged))  # without an id, by which the stream would drop a copy
    await trainer.client.flush()
    async with asyncio.timeout(10):
        while (first := await trainer.next_message(LOG, 0, own)) is None:
            await asyncio.sleep(0.02)
    assert first.payload == encode(forged)
    for request in (access.direct_get(LOG), access.wrapped_get(LOG)):
        await trainer.client.publish(request, json.dumps({"seq": first.seq}).encode(), reply=target)
        await trainer.client.flush()
    placed: Sequence[StoredMessage] = []
    async with asyncio.timeout(10):
        while not any(b"stream_msg_get_response" in stored.payload for stored in placed):
            await asyncio.sleep(0.1)
            placed = await provisioned.read(LOG, 0, target)
    for stored in placed:
        with pytest.raises(MalformedMessage):
            subjects.decode_event(stored)
    await trainer.close()


async def test_a_role_pulls_and_acknowledges_messages(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """The trainer gets a request and acknowledges it, and the server does not deliver it again."""
    trainer = await transport_of(guarded, "trainer")
    durable = durable_of("trainer")
    await provisioned.publish("lab.events.c.e0009.RunRequested", b"{}", "own")
    delivery = None
    while not (delivery and delivery.stored.subject == "lab.events.c.e0009.RunRequested"):
        delivery = await trainer.pull(durable, 5.0)
        assert delivery
        await delivery.ack()
    assert await trainer.pull(durable, 0.3) is None
    await trainer.close()


async def test_only_the_lab_can_retry_a_dead_letter(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """The trainer publishes a letter; the reader can read but not retry it; the lab retries it for the trainer."""
    trainer, reader = await asyncio.gather(*(transport_of(guarded, role) for role in ("trainer", "reader")))
    original = StoredMessage(1, "lab.events.c.e0001.RunRequested", b"{}")
    await Bus(trainer, "trainer").publish_dead_letter(original, "broken")
    letter = None
    async with asyncio.timeout(20):
        async for batch in reader.follow(DEAD, 0, subjects.dead_letter("trainer")):
            letter = dead_letters.decode(batch[-1])
            break
    assert letter
    assert letter.original == original
    with pytest.raises(PermissionDenied):
        await Bus(reader, "reader").retry_dead_letter(letter)
    assert await Bus(provisioned, "lab").retry_dead_letter(letter)
    delivery = await trainer.pull(dead_letters.retry_durable("trainer"), 5.0)
    assert delivery
    assert dead_letters.original_message(delivery.stored) == original
    await delivery.ack()
    await asyncio.gather(trainer.close(), reader.close())


def test_whatever_a_person_may_publish_is_stored_and_read() -> None:
    """The owner's and people's permissions are together the stream's subjects and the desk's filter."""
    stream = next(stream for stream in STREAMS if stream.name == HUMAN)
    owner, ada = (access.all_permissions({}, ["ada"])[key].publish[0] for key in ("human", PERSON))
    assert (owner, ada.replace("ada", "*")) == stream.subjects == durable_of("desk").filters


async def test_a_person_can_publish_with_any_client(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """The server stores a core NATS message, published with the human key, for the desk."""
    url, folder = guarded
    newest = await provisioned.last_seq(HUMAN)
    client = await nats.connect(url, nkeys_seed=str(keys.seed_path(folder, "human")))
    await client.publish("lab.human.c", json.dumps({"text": "try decay"}).encode())
    await client.flush()
    await client.close()
    async with asyncio.timeout(10):
        while await provisioned.last_seq(HUMAN) == newest:
            await asyncio.sleep(0.02)


async def test_a_reader_creates_no_consumer(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """Following the log with the reader's key needs none."""
    await provisioned.publish("lab.events.c.e0002.Read", b"read", "read")
    reader = await transport_of(guarded, "reader")
    async with asyncio.timeout(10):
        async for batch in reader.follow(LOG, 0):
            assert batch[-1].payload
            break
    consumers = await provisioned._js.consumers_info(LOG)
    assert {consumer.name for consumer in consumers} == set(decider_specs())
    await reader.close()
