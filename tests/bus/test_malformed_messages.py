"""Ten thousand messages that nothing can read: nobody dies, and each is kept with its reason."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from bus.delivery import dead_letters
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision
from bus.delivery.transport import Transport
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignPaused, Event
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode, encode

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
    """Hears pauses and says nothing."""

    name: ClassVar[str] = "listener"
    handles: ClassVar[tuple[type[Event], ...]] = (CampaignPaused,)

    def decide(self, envelope: Envelope) -> Decision:
        """Say nothing."""
        yield from ()
        return []


def noise(dice: random.Random) -> bytes:
    """Return any bytes."""
    return dice.randbytes(dice.randrange(200))


def flipped(dice: random.Random) -> bytes:
    """Return a valid event with some bytes changed, doubled or cut off."""
    changed = bytearray(VALID)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(changed))
        changed[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
    return bytes(changed[: dice.choice([len(changed), dice.randrange(len(changed))])])


def bent(dice: random.Random) -> bytes:
    """Return a valid event with a field taken away, added or of another kind."""
    event = json.loads(VALID)
    place = dice.choice([event, event["data"]])
    key = dice.choice([*place, "extra"])
    if key in place and dice.random() < 0.3:
        del place[key]
    else:
        place[key] = dice.choice(STRAYS)
    return json.dumps(event).encode()


def malformed(count: int, seed: int) -> list[bytes]:
    """Return messages that decode to nothing."""
    dice, found = random.Random(seed), []
    kinds: tuple[Callable[[random.Random], bytes], ...] = (noise, flipped, bent)
    while len(found) < count:
        message = dice.choice(kinds)(dice)
        try:
            decode(message)
        except MalformedMessage:
            found.append(message)
    return found


async def buried(transport: Transport, campaign: str, messages: list[bytes]) -> list[dead_letters.DeadLetter]:
    """Publish messages to a listener on a campaign and return the letters that follow."""
    before = await transport.last_seq(subjects.DEAD)
    actor = asyncio.ensure_future(Actor(Bus(transport, "listener"), Listener(), concurrency=16).run())
    for start in range(0, len(messages), 64):
        await asyncio.gather(
            *(
                transport.publish(SUBJECT.format(campaign), message, f"{campaign}-{number}")
                for number, message in enumerate(messages[start : start + 64], start)
            )
        )
    letters: list[dead_letters.DeadLetter] = []
    async with asyncio.timeout(60):
        async for batch in transport.follow(subjects.DEAD, before):
            letters += [dead_letters.decode(stored) for stored in batch]
            if len(letters) >= len(messages):
                break
    assert not actor.done(), "the actor died"
    actor.cancel()
    await asyncio.gather(actor, return_exceptions=True)
    return letters


@pytest.mark.parametrize(("kind", "count"), [("memory", 10_000), ("nats", 500)])
async def test_each_malformed_message_is_a_letter_with_its_reason(
    kind: str, count: int, request: pytest.FixtureRequest
) -> None:
    """The original bytes are all there, each once, and the actor is alive."""
    messages = malformed(count, seed=7)
    transport: Transport = MemoryTransport()
    if kind == "nats":
        transport = await NatsTransport.connect(request.getfixturevalue("nats_url"), name="test")
        await transport.provision()
    letters = await buried(transport, f"malformed-{kind}", messages)
    assert sorted(letter.original.payload for letter in letters) == sorted(messages)
    assert all(letter.reason and "\n" not in letter.reason for letter in letters)
    await transport.close()
