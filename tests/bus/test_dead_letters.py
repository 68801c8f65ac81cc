"""Dead letters have the whole original message; a retry publishes the missing events, and none twice."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.delivery import dead_letters
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CampaignPaused, CampaignResumed
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored_message import MAX_MESSAGE_BYTES, StoredMessage
from tests.support.roles import spec_of


class Failing:
    """Posts one event after a pause, then a second one unless it is broken."""

    def __init__(self) -> None:
        self.broken = True

    def decide(self, envelope: Envelope) -> Decision:
        """Post, fail if broken, post."""
        yield Post("e0001", CampaignResumed(by="first"))
        if self.broken:
            raise MalformedMessage("broken")
        return [Post("e0001", CampaignResumed(by="second"))]


class WithFallback(Failing):
    """Has a fallback."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Return the fallback."""
        return [Post("e0001", CampaignResumed(by="fallback"))]


class FailingFallback(Failing):
    """Fails to give up as well."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Fail."""
        raise KeyError("no fallback")


class RoleProcess:
    """One role that runs on an in-memory bus."""

    def __init__(self, role: Failing) -> None:
        self.role = role
        self.transport = MemoryTransport()
        self.bus = Bus(self.transport, "failing")
        self.task = asyncio.ensure_future(Actor(self.bus, spec_of(role, "failing")).run())

    async def letters(self, count: int) -> list[DeadLetter]:
        """Return the dead letters as soon as there are `count`."""
        await self._until(subjects.DEAD, count)
        async for batch in self.transport.follow(subjects.DEAD, 0):
            return [dead_letters.decode(stored) for stored in batch]
        raise AssertionError

    async def authors(self, count: int) -> list[str]:
        """Return the field `by` of each event, as soon as the log has `count`."""
        await self._until(subjects.LOG, count)
        async for batch in self.transport.follow(subjects.LOG, 0):
            return [decode(stored.payload).event.by for stored in batch]  # type: ignore[attr-defined]
        raise AssertionError

    async def _until(self, stream: str, count: int) -> None:
        async with asyncio.timeout(20):
            while await self.transport.last_seq(stream) < count:
                await asyncio.sleep(0.01)

    async def idle(self) -> None:
        """Wait until every message is acknowledged."""
        async with asyncio.timeout(20):
            while any(
                consumer.due or consumer.next < len(self.transport._streams[consumer.durable.stream].messages)
                for consumer in self.transport._consumers.values()
            ):
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def failed_decision(role: Failing) -> tuple[RoleProcess, DeadLetter]:
    """Return the process of a role after one failed decision, and its letter."""
    process = RoleProcess(role)
    await Bus(process.transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    (letter,) = await process.letters(1)
    return process, letter


async def test_a_retry_publishes_the_missing_events_and_none_twice() -> None:
    """An event published before the failure has the same id again, so the stream drops it."""
    process, letter = await failed_decision(Failing())
    process.role.broken = False
    assert await process.bus.retry_dead_letter(letter)
    assert await process.authors(3) == ["ada", "first", "second"]
    await process.idle()
    assert await process.authors(3) == ["ada", "first", "second"]
    await process.end()


async def test_the_reason_of_a_malformed_message_is_written_for_people() -> None:
    """The reason names no exception class, and the letter has no traceback."""
    process, letter = await failed_decision(Failing())
    assert (letter.reason, letter.stack) == ("broken", "")
    await process.end()


async def test_a_letter_is_retried_once() -> None:
    """The stream drops a second retry of the same letter."""
    process, letter = await failed_decision(Failing())
    assert await process.bus.retry_dead_letter(letter)
    assert not await process.bus.retry_dead_letter(letter)
    assert await process.transport.last_seq(subjects.RETRY) == 1
    await process.end()


async def test_a_failed_retry_is_another_letter() -> None:
    """The letter counts the retry, has the original message, and can be retried too."""
    process, letter = await failed_decision(Failing())
    await process.bus.retry_dead_letter(letter)
    _, second = await process.letters(2)
    assert (second.retry, second.original) == (1, letter.original)
    process.role.broken = False
    assert await process.bus.retry_dead_letter(second)
    assert await process.authors(3) == ["ada", "first", "second"]
    await process.end()


async def test_a_retry_of_a_malformed_message_has_the_same_bytes() -> None:
    """The actor rejects them again."""
    process = RoleProcess(Failing())
    await process.transport.publish("lab.events.c.e0001.CampaignPaused", b"{\xff\x00", "m1")
    (letter,) = await process.letters(1)
    assert letter.original == StoredMessage(1, "lab.events.c.e0001.CampaignPaused", b"{\xff\x00")
    await process.bus.retry_dead_letter(letter)
    assert [retried.original for retried in await process.letters(2)] == [letter.original] * 2
    await process.end()


async def test_a_malformed_retry_becomes_a_dead_letter() -> None:
    """The actor continues."""
    process = RoleProcess(Failing())
    await process.transport.publish("lab.retry.failing", b"garbage", "m1")
    (letter,) = await process.letters(1)
    assert letter.original == StoredMessage(1, "lab.retry.failing", b"garbage")
    await process.end()


async def test_a_decision_with_a_fallback_is_not_retried() -> None:
    """The lab continued with the fallback, so a decision now would contradict it."""
    process, letter = await failed_decision(WithFallback())
    assert letter.fallback_types == ("CampaignResumed",)
    assert "contradict" in (dead_letters.retry_objection(letter) or "")
    await process.end()


def test_a_letter_with_a_pause_as_fallback_names_the_command_to_resume() -> None:
    """A resumption makes the decision unnecessary."""
    letter = DeadLetter(
        "director",
        "broken",
        StoredMessage(1, "lab.events.c.e1.AnalysisReady", b"{}"),
        fallback_types=dead_letters.PAUSE_FALLBACK,
    )
    assert "move37 say resume" in (dead_letters.retry_objection(letter) or "")


async def test_a_role_that_fails_to_give_up_still_leaves_a_letter() -> None:
    """The letter has the traceback, and the actor continues."""
    process, letter = await failed_decision(FailingFallback())
    assert letter.reason == "broken"
    assert "no fallback" in letter.stack
    assert dead_letters.retry_objection(letter) is None
    await process.end()


@given(st.binary(max_size=200), st.text(), st.integers(0, 2**40))
def test_a_letter_survives_encoding(payload: bytes, reason: str, seq: int) -> None:
    """It may have any bytes and any reason."""
    reason = reason.encode("utf-8", "replace").decode()
    letter = DeadLetter("desk", reason, StoredMessage(seq, "lab.human.c", payload), "stack", 3, ("A", "B"), 2, seq=7)
    assert dead_letters.decode(StoredMessage(7, "lab.dead.desk", dead_letters.encode(letter))) == letter


def test_a_letter_of_a_long_message_has_only_its_beginning() -> None:
    """The letter fits into a message, names the position of the original, and can't be retried."""
    letter = DeadLetter("desk", "long", StoredMessage(5, "lab.human.c", b"x" * (dead_letters.MAX_WHOLE_BYTES + 1)))
    decoded = dead_letters.decode(StoredMessage(1, "lab.dead.desk", dead_letters.encode(letter)))
    assert len(dead_letters.encode(letter)) < dead_letters.MAX_WHOLE_BYTES
    assert "at position 5" in (dead_letters.retry_objection(decoded) or "")


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
async def test_a_message_of_bytes_that_are_no_text_becomes_a_letter(byte: bytes) -> None:
    """Each such byte takes four or six characters of text, so the whole message would not fit into a letter."""
    transport = MemoryTransport()
    original = StoredMessage(5, "lab.human.c", byte * dead_letters.MAX_WHOLE_BYTES)
    assert len(dead_letters.encode(DeadLetter("desk", "no JSON", original))) > MAX_MESSAGE_BYTES
    await Bus(transport, "desk").publish_dead_letter(original, "no JSON")
    (stored,) = await transport.read(subjects.DEAD)
    assert "at position 5" in (dead_letters.retry_objection(dead_letters.decode(stored)) or "")


def test_a_letter_on_another_roles_subject_is_malformed() -> None:
    """The server lets a role publish its own letters only, so no role can send a message to another in a letter."""
    letter = dead_letters.encode(DeadLetter("desk", "forged", StoredMessage(1, "lab.human.c", b"{}")))
    with pytest.raises(MalformedMessage, match=r"does not belong on lab\.dead\.trainer"):
        dead_letters.decode(StoredMessage(1, "lab.dead.trainer", letter))


NO_HEX = b'{"role":"a","reason":"b","seq":1,"subject":"s","payload_hex":"0g"}'


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"role":"x"}', NO_HEX])
def test_other_bytes_are_no_letter(payload: bytes) -> None:
    """They raise MalformedMessage."""
    with pytest.raises(MalformedMessage, match="no dead letter"):
        dead_letters.decode(StoredMessage(1, "lab.dead.x", payload))
