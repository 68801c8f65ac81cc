"""Access rights, tested on a real server: every role, every subject, every verb, and a client without a key.

The event types that a role publishes come from its declaration; every other right comes from the rules in this file.
The server reports a refusal as an error before it answers a ping. So each role makes all its attempts, and then pings.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client

from bus.delivery import dead_letters
from bus.delivery.bus import Bus
from bus.delivery.transport import Durable, PermissionDenied
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import EVENT_TYPES
from bus.wire import subjects
from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import DEAD, FILES, HUMAN, LOG, RETRY, STREAMS
from lab.roster import all_durables, decider_specs, key_names, role_specs

DECIDERS = ("director", "researcher", "engineer", "trainer", "analyst", "desk")
SERVES = (*DECIDERS, "memory", "dashboard")
WRITERS = ("researcher", "engineer")  # they ask trainers to put a source through the gates
PERSON = "person.ada"
READERS = ("reader", PERSON)
ROLES = (*SERVES, "lab", "human", *READERS)
VIOLATION = re.compile(r'(?i)permissions violation for (publish|subscription) to "([^"]+)"')
STREAM_VERBS = ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "MSG.GET")
FOLLOWED: dict[str, set[str]] = {
    "memory": {"LAB_EVENTS"},
    **{reader: {"LAB_EVENTS", "LAB_METRICS", "LAB_TRACES", "LAB_DEAD", FILES} for reader in READERS},
    "dashboard": {"LAB_EVENTS", "LAB_METRICS"},
}
SUBJECTS = {stream.name: stream.subjects[0] for stream in STREAMS}
Rights = dict[str, bool]
"""Subject → whether a role may use it."""
Refusals = set[tuple[str, str]]
"""(verb, subject in lower case) of each refusal."""


def published_types(role: str) -> set[str]:
    """Return the event types that a role may publish on the log by its declaration."""
    spec = role_specs().get(role)
    return {kind.__name__ for kind in spec.publishes} - {"LossPoint"} if spec else set()


def durable_of(role: str) -> Durable:
    """Return a role's consumer."""
    durable = role_specs()[role].durable
    assert durable
    return durable


def publications(role: str, types: set[str]) -> Rights:
    """Return every tested subject to publish on, and whether a role that publishes these types may use it."""
    admin = role == "lab"
    rights = {f"lab.events.c.e0001.{kind}": admin or kind in types for kind in EVENT_TYPES if kind != "LossPoint"}
    rights |= {"lab.metrics.c.e0001-a0": admin or role == "trainer", "lab.traces.abc": admin or role in DECIDERS}
    rights |= {
        "lab.human.c": admin or role == "human",
        "lab.human.c.ada": admin or role == PERSON,
        "lab.human.c.bob": admin,
        "lab.human": admin,
        "elsewhere": admin,
        "$SYS.REQ.SERVER.PING": admin,
    }
    rights |= {f"lab.dead.{owner}": admin or (role == owner and owner in (*DECIDERS, "memory")) for owner in ROLES}
    rights |= {f"lab.retry.{owner}": admin for owner in ROLES}
    asks = {"director", "researcher", "engineer", "analyst", "trainer", "desk", "dashboard", *READERS}
    rights |= {"lab.query.standing": admin or role in asks, "lab.query.experiments": admin or role in asks}
    rights |= {f"_INBOX.{asker}.x": admin or role == "memory" for asker in ROLES}
    rights |= {f"_INBOX.{asker}.x": admin or role in SERVES for asker in ("lab", "dashboard", *READERS)}
    rights |= {f"_INBOX.{writer}.x": admin or role in {"memory", "trainer"} for writer in WRITERS}
    rights["lab.gates"] = admin or role in WRITERS
    rights |= {f"$SRV.{verb}": admin or role in READERS for verb in ("PING", "INFO", "STATS")}
    rights |= {"$SRV.STATS": admin or role in {"dashboard", *READERS}, "lab.drain.director": admin}
    rights |= {"lab.status.director": admin or role in READERS}
    rights |= {f"$O.LAB_FILES.{kind}.x": admin or role == "trainer" for kind in ("C", "M")}
    rights |= dict.fromkeys(("lab.files.trainer", "lab.files.trainer.x"), admin or role in READERS)
    for stream in SUBJECTS:
        rights |= {f"$JS.API.STREAM.{verb}.{stream}": admin for verb in STREAM_VERBS}
        rights |= {f"$JS.API.CONSUMER.{verb}.{stream}": admin for verb in ("CREATE", "LIST", "NAMES")}
        follows = admin or stream in FOLLOWED.get(role, ())
        reads = follows or (stream == LOG and role in DECIDERS)
        rights |= {f"$JS.API.STREAM.INFO.{stream}": follows, f"$JS.API.DIRECT.GET.{stream}": reads}
        for name in (*DECIDERS, "memory", "stranger", *(f"{decider}-retry" for decider in (*DECIDERS, "memory"))):
            consumer = f"{stream}.{name}"
            inbox = (HUMAN if role == "desk" else LOG, role)
            may = admin or (role in DECIDERS and (stream, name) in (inbox, (RETRY, f"{role}-retry")))
            rights |= {f"$JS.API.CONSUMER.{verb}.{consumer}": may for verb in ("MSG.NEXT", "INFO")}
            rights |= {f"$JS.API.CONSUMER.{verb}.{consumer}": admin for verb in ("CREATE", "DURABLE.CREATE", "DELETE")}
            rights |= {f"$JS.API.CONSUMER.CREATE.{consumer}.lab.events.>": admin, f"$JS.ACK.{consumer}.1.1.1.1.0": may}
    return rights


def subscriptions(role: str) -> Rights:
    """Return every tested subject to subscribe to, and whether the role may use it."""
    admin = role == "lab"
    rights = {subject: admin or name in FOLLOWED.get(role, ()) for name, subject in SUBJECTS.items()}
    rights |= dict.fromkeys(("lab.files.trainer", "lab.files.trainer.x", "lab.gates"), admin or role == "trainer")
    rights |= dict.fromkeys((">", "*", "lab.>", "_INBOX.>", "$JS.>", "$JS.API.>", "$SYS.>"), admin)
    rights |= {"lab.query.*": admin or role == "memory", "lab.query.standing": admin or role == "memory"}
    for service in SERVES:
        own = (f"$SRV.STATS.{service}", f"$SRV.PING.{service}.X", f"lab.status.{service}", f"lab.drain.{service}")
        rights |= dict.fromkeys(own, admin or role == service)
    rights |= {f"$SRV.{verb}": admin or role in SERVES for verb in ("PING", "INFO", "STATS")} | {"$SRV.>": admin}
    return rights | {f"_INBOX.{owner}.>": admin or role == owner for owner in ROLES}


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
