"""Ten thousand malformed messages: each becomes a dead letter with its reason, and the actor continues."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bus.delivery import dead_letters
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision
from bus.delivery.transport import Transport
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignPaused
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode, encode
from tests.support.roles import spec_of

SUBJECT = "lab.events.{}.e0001.CampaignPaused"
VALID = encode(Envelope("i1", "/lab/x/1", datetime(2026, 1, 1, tzinfo=UTC), "c", "e0001", CampaignPaused(by="ada")))
STRAYS: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    2**80,
    1e308,
    "",
    "x" * 300,
    [],
    {},
    [[[]]],
    "\u0000",
    "\u202e",
    "e\n1",
)


class Listener:
    """Handles pauses and posts nothing."""

    def decide(self, envelope: Envelope) -> Decision:
        """Post nothing."""
        yield from ()
        return []


def noise(rng: random.Random) -> bytes:
    """Return random bytes."""
    return rng.randbytes(rng.randrange(200))


def corrupt(rng: random.Random) -> bytes:
    """Return a valid event with some bytes changed, added or cut off."""
    changed = bytearray(VALID)
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(changed))
        changed[start : start + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(changed[: rng.choice([len(changed), rng.randrange(len(changed))])])


def reshape(rng: random.Random) -> bytes:
    """Return a valid event with a field removed, added or of another type."""
    event = json.loads(VALID)
    fields = rng.choice([event, event["data"]])
    key = rng.choice([*fields, "extra"])
    if key in fields and rng.random() < 0.3:
        del fields[key]
    else:
        fields[key] = rng.choice(STRAYS)
    return json.dumps(event).encode()


def malformed(count: int, seed: int) -> list[bytes]:
    """Return messages that can't be decoded."""
    rng = random.Random(seed)
    messages: list[bytes] = []
    makers: tuple[Callable[[random.Random], bytes], ...] = (noise, corrupt, reshape)
    while len(messages) < count:
        message = rng.choice(makers)(rng)
        try:
            decode(message)
        except MalformedMessage:
            messages.append(message)
    return messages


async def publish_and_collect(
    transport: Transport, campaign: str, messages: list[bytes]
) -> list[dead_letters.DeadLetter]:
    """Publish messages to a listener and return the resulting dead letters."""
    newest = await transport.last_seq(subjects.DEAD)
    actor = asyncio.ensure_future(
        Actor(Bus(transport, "listener"), spec_of(Listener(), "listener"), concurrency=16).run()
    )
    for start in range(0, len(messages), 64):
        await asyncio.gather(
            *(
                transport.publish(SUBJECT.format(campaign), message, f"{campaign}-{number}")
                for number, message in enumerate(messages[start : start + 64], start)
            )
        )
    letters: list[dead_letters.DeadLetter] = []
    async with asyncio.timeout(60):
        async for batch in transport.follow(subjects.DEAD, newest):
            letters += [dead_letters.decode(stored) for stored in batch]
            if len(letters) >= len(messages):
                break
    assert not actor.done(), "the actor ended"
    actor.cancel()
    await asyncio.gather(actor, return_exceptions=True)
    return letters


@pytest.mark.parametrize(("kind", "count"), [("memory", 10_000), ("nats", 500)])
async def test_each_malformed_message_is_a_letter_with_its_reason(
    kind: str, count: int, request: pytest.FixtureRequest
) -> None:
    """The letters hold all original bytes, each message once, and the actor still runs."""
    messages = malformed(count, seed=7)
    transport: Transport = MemoryTransport()
    if kind == "nats":
        transport = await NatsTransport.connect(request.getfixturevalue("nats_url"), name="test")
        await transport.provision()
    letters = await publish_and_collect(transport, f"malformed-{kind}", messages)
    assert sorted(letter.original.payload for letter in letters) == sorted(messages)
    assert all(letter.reason and "\n" not in letter.reason for letter in letters)
    await transport.close()
