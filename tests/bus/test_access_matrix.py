"""Who may do what, asked of a real server: every role, every subject, every verb, and somebody without a key.

What is right is read from the table of `docs/architecture.md` and the rules written out here, not from the code's own
tables. A refused publication or subscription is told beside the stream of answers and before the answer to a ping, so
each role makes all its attempts and pings once.
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

from bus.delivery import dead_letters, durables
from bus.delivery.bus import Bus
from bus.delivery.transport import PermissionDenied
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import EVENT_TYPES
from bus.wire import subjects
from bus.wire.stored import Stored
from bus.wire.subjects import DEAD, HUMAN, LOG, RETRY, STREAMS

PAGE = Path(__file__).parent.parent.parent / "docs" / "architecture.md"
DECIDERS = ("director", "researcher", "engineer", "trainer", "analyst", "desk")
SERVES = (*DECIDERS, "memory", "dashboard")
ROLES = (*SERVES, "lab", "reader", "human")
VIOLATION = re.compile(r'(?i)permissions violation for (publish|subscription) to "([^"]+)"')
STREAM_VERBS = ("CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "MSG.GET")
FOLLOWED = {
    "memory": {"LAB_EVENTS"},
    "reader": {"LAB_EVENTS", "LAB_METRICS", "LAB_TRACES", "LAB_DEAD"},
    "dashboard": {"LAB_EVENTS", "LAB_METRICS"},
}
KEPT = {one.name: one.subjects[0] for one in STREAMS}


def page() -> dict[str, tuple[set[str], set[str]]]:
    """Return the documented table: role → the types it hears, the types it says."""
    section = PAGE.read_text().split("## Who says what upon what")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.strip().splitlines()[2:]]
    known = set(EVENT_TYPES)
    return {role: (set(re.findall(r"[A-Z]\w+", hears)) & known, set(re.findall(r"[A-Z]\w+", says)) & known)
            for role, hears, says in rows}  # fmt: skip


def published(role: str, says: set[str]) -> dict[str, bool]:
    """Return every subject that is tried for publication, and whether the role may publish there."""
    admin = role == "lab"
    right = {f"lab.events.c.e0001.{kind}": admin or kind in says for kind in EVENT_TYPES if kind != "LossPoint"}
    right |= {"lab.metrics.c.e0001-a0": admin or role == "trainer", "lab.traces.abc": admin or role in DECIDERS}
    right |= {"lab.human.c": admin or role == "human", "elsewhere": admin, "$SYS.REQ.SERVER.PING": admin}
    right |= {f"lab.dead.{other}": admin or (role == other and other in (*DECIDERS, "memory")) for other in ROLES}
    right |= {f"lab.retry.{other}": admin for other in ROLES}
    asks = {"director", "researcher", "engineer", "analyst", "trainer", "reader", "dashboard"}
    right |= {"lab.query.standing": admin or role in asks, "lab.query.experiments": admin or role in asks}
    right |= {f"_INBOX.{other}.x": admin or role == "memory" for other in ROLES}
    right |= {f"_INBOX.{asker}.x": admin or role in SERVES for asker in ("reader", "lab")}
    right |= {f"$SRV.{verb}": admin or role == "reader" for verb in ("PING", "INFO", "STATS")}
    right |= {"lab.status.director": admin or role == "reader"}
    for stream in KEPT:
        right |= {f"$JS.API.STREAM.{verb}.{stream}": admin for verb in STREAM_VERBS}
        right |= {f"$JS.API.CONSUMER.{verb}.{stream}": admin for verb in ("CREATE", "LIST", "NAMES")}
        follows = admin or stream in FOLLOWED.get(role, ())
        right |= {f"$JS.API.STREAM.INFO.{stream}": follows, f"$JS.API.DIRECT.GET.{stream}": follows}
        for other in (*DECIDERS, "memory", "stranger", *(f"{one}-retry" for one in (*DECIDERS, "memory"))):
            named = f"{stream}.{other}"
            inbox = (HUMAN if role == "desk" else LOG, role)
            own = admin or (role in DECIDERS and (stream, other) in (inbox, (RETRY, f"{role}-retry")))
            right |= {f"$JS.API.CONSUMER.{verb}.{named}": own for verb in ("MSG.NEXT", "INFO")}
            right |= {f"$JS.API.CONSUMER.{verb}.{named}": admin for verb in ("CREATE", "DURABLE.CREATE", "DELETE")}
            right |= {f"$JS.API.CONSUMER.CREATE.{named}.lab.events.>": admin, f"$JS.ACK.{named}.1.1.1.1.0": own}
    return right


def subscribed(role: str) -> dict[str, bool]:
    """Return every subject that is tried for a subscription, and whether the role may have it."""
    admin = role == "lab"
    right = {subject: admin or name in FOLLOWED.get(role, ()) for name, subject in KEPT.items()}
    right |= dict.fromkeys((">", "*", "lab.>", "_INBOX.>", "$JS.>", "$JS.API.>", "$SYS.>"), admin)
    right |= {"lab.query.*": admin or role == "memory", "lab.query.standing": admin or role == "memory"}
    for other in SERVES:
        own = admin or role == other
        right |= {f"$SRV.STATS.{other}": own, f"$SRV.PING.{other}.X": own, f"lab.status.{other}": own}
    right |= {f"$SRV.{verb}": admin or role in SERVES for verb in ("PING", "INFO", "STATS")} | {"$SRV.>": admin}
    return right | {f"_INBOX.{other}.>": admin or role == other for other in ROLES}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve a lab's own server, with keys."""
    folder = tmp_path_factory.mktemp("guarded")
    rules = access.authorization(keys.ensure_keys(folder / "keys", access.ROLES))
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
    """Yield the lab's own connection, everything provided for."""
    lab = await transport_of(guarded, "lab")
    await lab.provision(durable for own in durables.DURABLES.values() for durable in own)
    yield lab
    await lab.close()


async def refused(guarded: tuple[str, Path], role: str, says: set[str]) -> set[tuple[str, str]]:
    """Let a role try everything; return the (verb, subject) pairs that the server refused."""
    url, folder = guarded
    found: set[tuple[str, str]] = set()

    async def note(error: Exception) -> None:
        if match := VIOLATION.search(str(error)):
            found.add(
                ("publish" if match.group(1).lower() == "publish" else "subscribe", match.group(2))
            )  # in lower case

    async def ignore(_: object) -> None:
        """Take no notice of what comes."""

    client = Client()
    await client.connect(url, nkeys_seed=str(keys.seed_path(folder, role)), error_cb=note)
    for subject in subscribed(role):
        await client.subscribe(subject, cb=ignore)
    for subject in published(role, says):
        await client.publish(subject, b"{}")
    for _ in range(2):  # the client's first ping may overtake what it still holds back
        await client.flush(20)
    await client.close()
    return found


async def test_the_whole_matrix(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """Every role is let and refused exactly as documented, and the streams outlive every attempt."""
    await provisioned.publish("lab.events.c.e0001.Kept", b"kept", "kept")
    others = [role for role in ROLES if role != "lab"]  # the lab's own attempts do delete: they come last
    table = page()
    wrong: list[str] = []
    count = 0
    for group in (others, ["lab"]):
        saying = {role: table.get(role, (set(), set()))[1] for role in group}
        answers = await asyncio.gather(*(refused(guarded, role, saying[role]) for role in group))
        for role, found in zip(group, answers, strict=True):
            right = {("publish", subject): may for subject, may in published(role, saying[role]).items()}
            right |= {("subscribe", subject): may for subject, may in subscribed(role).items()}
            count += len(right)
            wrong += [
                f"{role} {verb} {subject}: {'refused' if may else 'let'}"
                for (verb, subject), may in right.items()
                if may is ((verb, subject.lower()) in found)
            ]
        if group is others:
            assert await provisioned.last_seq(LOG) >= 1
    assert wrong == []
    assert count > 2000


def test_the_tables_are_the_documented_ones() -> None:
    """What a role hears and says in code is what `docs/architecture.md` tells."""
    table = page()
    assert {role: {kind.__name__ for kind in kinds} for role, kinds in durables.SUBSCRIPTIONS.items()} == {
        role: hears for role, (hears, _) in table.items() if hears
    }
    logged = {role: {kind.__name__ for kind in kinds} - {"LossPoint"} for role, kinds in access.PUBLICATIONS.items()}
    assert logged == {role: says for role, (_, says) in table.items()}


async def test_somebody_without_a_key_is_refused(guarded: tuple[str, Path], tmp_path: Path) -> None:
    """Neither nobody nor a key that the server does not know gets in, and both learn why at once."""
    strange = keys.ensure_keys(tmp_path, ["trainer"])
    assert strange
    for identity in (Identity(), Identity("trainer", keys.seed_path(tmp_path, "trainer"))):
        with pytest.raises(PermissionDenied, match="refuses"):
            await NatsTransport.connect(guarded[0], name="x", identity=identity, wait=20.0)


async def test_a_refused_publication_is_an_error_and_no_silence(
    guarded: tuple[str, Path], provisioned: NatsTransport
) -> None:
    """The researcher can't say RunCompleted, the trainer can't pull the researcher's messages: both are told."""
    researcher, trainer = await asyncio.gather(*(transport_of(guarded, role) for role in ("researcher", "trainer")))
    foreign, _ = durables.DURABLES["researcher"]
    results = await asyncio.gather(
        researcher.publish("lab.events.c.e0001.RunCompleted", b"{}", "forged"),
        trainer.pull(foreign, 2.0),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [PermissionDenied, PermissionDenied]
    await asyncio.gather(researcher.close(), trainer.close())


async def test_a_role_pulls_and_acknowledges_its_own(guarded: tuple[str, Path], provisioned: NatsTransport) -> None:
    """What the matrix allows does work: the trainer gets a request, acknowledges it, and it does not come again."""
    trainer = await transport_of(guarded, "trainer")
    own, _ = durables.DURABLES["trainer"]
    await provisioned.publish("lab.events.c.e0009.RunRequested", b"{}", "own")
    delivery = None
    while not (delivery and delivery.stored.subject == "lab.events.c.e0009.RunRequested"):
        delivery = await trainer.pull(own, 5.0)
        assert delivery
        await delivery.ack()
    assert await trainer.pull(own, 0.3) is None
    await trainer.close()


async def test_a_letter_goes_back_to_its_role_by_the_lab_alone(
    guarded: tuple[str, Path], provisioned: NatsTransport
) -> None:
    """The trainer buries, the reader reads but can't hand back, the lab can, and the trainer gets it."""
    trainer, reader = await asyncio.gather(*(transport_of(guarded, role) for role in ("trainer", "reader")))
    original = Stored(1, "lab.events.c.e0001.RunRequested", b"{}")
    await Bus(trainer, "trainer").publish_dead_letter(original, "ill")
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
    _, retried = durables.DURABLES["trainer"]
    delivery = await trainer.pull(retried, 5.0)
    assert delivery
    assert dead_letters.original_message(delivery.stored) == original
    await delivery.ack()
    await asyncio.gather(trainer.close(), reader.close())


async def test_a_person_with_any_client_speaks_and_no_more(
    guarded: tuple[str, Path], provisioned: NatsTransport
) -> None:
    """A plain publication with the human key is kept for the desk."""
    url, folder = guarded
    before = await provisioned.last_seq(HUMAN)
    client = await nats.connect(url, nkeys_seed=str(keys.seed_path(folder, "human")))
    await client.publish("lab.human.c", json.dumps({"text": "try decay"}).encode())
    await client.flush()
    await client.close()
    async with asyncio.timeout(10):
        while await provisioned.last_seq(HUMAN) == before:
            await asyncio.sleep(0.02)


async def test_a_reader_reads_and_leaves_nothing_on_the_server(
    guarded: tuple[str, Path], provisioned: NatsTransport
) -> None:
    """Following the log with the reader's key needs no consumer."""
    await provisioned.publish("lab.events.c.e0002.Read", b"read", "read")
    reader = await transport_of(guarded, "reader")
    async with asyncio.timeout(10):
        async for batch in reader.follow(LOG, 0):
            assert batch[-1].payload
            break
    there = await provisioned._js.consumers_info(LOG)
    assert {one.name for one in there} == set(durables.SUBSCRIPTIONS)
    await reader.close()
