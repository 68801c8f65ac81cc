"""Dead letters: nothing of the original is lost in one, and its way back says what was missing and nothing twice."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.delivery import dead_letters
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.role import Decision, Post
from bus.vocabulary.events import CampaignPaused, CampaignResumed, Event
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored import Stored


class Halting:
    """Says one thing upon a pause, then a second unless it is ill."""

    name: ClassVar[str] = "halting"
    handles: ClassVar[tuple[type[Event], ...]] = (CampaignPaused,)

    def __init__(self) -> None:
        self.ill = True

    def decide(self, envelope: Envelope) -> Decision:
        """Speak, perhaps fail, speak."""
        yield Post("e0001", CampaignResumed(by="first"))
        if self.ill:
            raise MalformedMessage("ill")
        return [Post("e0001", CampaignResumed(by="second"))]


class Resigning(Halting):
    """Knows what follows where it fails."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Say that it is over."""
        return [Post("e0001", CampaignResumed(by="nobody"))]


class Hopeless(Halting):
    """Fails at giving up as well."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Fail."""
        raise KeyError("hopeless")


class Ward:
    """One role at work on an in-memory bus."""

    def __init__(self, role: Halting) -> None:
        self.role = role
        self.transport = MemoryTransport()
        self.bus = Bus(self.transport, role.name)
        self.task = asyncio.ensure_future(Actor(self.bus, role).run())

    async def letters(self, count: int) -> list[DeadLetter]:
        """Return the dead letters once there are so many."""
        await self._until(subjects.DEAD, count)
        async for batch in self.transport.follow(subjects.DEAD, 0):
            return [dead_letters.decode(stored) for stored in batch]
        raise AssertionError

    async def said(self, count: int) -> list[str]:
        """Return who spoke, once the log holds so many events."""
        await self._until(subjects.LOG, count)
        async for batch in self.transport.follow(subjects.LOG, 0):
            return [decode(stored.payload).event.by for stored in batch]  # type: ignore[attr-defined]
        raise AssertionError

    async def _until(self, stream: str, count: int) -> None:
        async with asyncio.timeout(20):
            while await self.transport.last_seq(stream) < count:
                await asyncio.sleep(0.01)

    async def idle(self) -> None:
        """Wait until nothing is lent out and nothing waits."""
        async with asyncio.timeout(20):
            while any(
                consumer.due or consumer.next < len(self.transport._streams[consumer.durable.stream].messages)
                for consumer in self.transport._consumers.values()
            ):
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def fallen_ill(role: Halting) -> tuple[Ward, DeadLetter]:
    """Return a ward with one letter of a decision that failed."""
    ward = Ward(role)
    await Bus(ward.transport, "director").publish(Post("e0001", CampaignPaused(by="ada")), "c")
    (letter,) = await ward.letters(1)
    return ward, letter


async def test_a_retry_says_what_was_missing_and_nothing_twice() -> None:
    """What the failed decision had said before its fault keeps its id, so the stream drops it."""
    ward, letter = await fallen_ill(Halting())
    ward.role.ill = False
    assert await ward.bus.retry_dead_letter(letter)
    assert await ward.said(3) == ["ada", "first", "second"]
    await ward.idle()
    assert await ward.said(3) == ["ada", "first", "second"]
    await ward.end()


async def test_where_the_message_is_at_fault_the_reason_is_for_people() -> None:
    """No name of a class, and no stack of ours."""
    ward, letter = await fallen_ill(Halting())
    assert (letter.reason, letter.stack) == ("ill", "")
    await ward.end()


async def test_a_letter_is_retried_once() -> None:
    """A second retry of the same letter is refused by the stream, however it is asked for."""
    ward, letter = await fallen_ill(Halting())
    assert await ward.bus.retry_dead_letter(letter)
    assert not await ward.bus.retry_dead_letter(letter)
    assert await ward.transport.last_seq(subjects.RETRY) == 1
    await ward.end()


async def test_a_retry_that_fails_is_a_letter_of_its_own() -> None:
    """It counts the retry, keeps the original, and can be retried in turn."""
    ward, letter = await fallen_ill(Halting())
    await ward.bus.retry_dead_letter(letter)
    _, second = await ward.letters(2)
    assert (second.retry, second.original) == (1, letter.original)
    ward.role.ill = False
    assert await ward.bus.retry_dead_letter(second)
    assert await ward.said(3) == ["ada", "first", "second"]
    await ward.end()


async def test_a_malformed_message_comes_back_byte_for_byte() -> None:
    """What could not be read is handed to the reader again as it was."""
    ward = Ward(Halting())
    await ward.transport.publish("lab.events.c.e0001.CampaignPaused", b"{\xff\x00", "m1")
    (letter,) = await ward.letters(1)
    assert letter.original == Stored(1, "lab.events.c.e0001.CampaignPaused", b"{\xff\x00")
    await ward.bus.retry_dead_letter(letter)
    assert [one.original for one in await ward.letters(2)] == [letter.original] * 2
    await ward.end()


async def test_what_is_no_letter_is_buried_itself() -> None:
    """Garbage on the way back kills nothing."""
    ward = Ward(Halting())
    await ward.transport.publish("lab.retry.halting", b"garbage", "m1")
    (letter,) = await ward.letters(1)
    assert letter.original == Stored(1, "lab.retry.halting", b"garbage")
    await ward.end()


async def test_what_the_lab_went_on_without_is_not_retried() -> None:
    """A role that gave up said what follows; a decision after that would contradict it."""
    ward, letter = await fallen_ill(Resigning())
    assert letter.said == ("CampaignResumed",)
    assert "contradict" in (dead_letters.retry_objection(letter) or "")
    await ward.end()


def test_for_a_pause_in_place_of_a_decision_a_resumption_makes_up() -> None:
    """The line says so."""
    letter = DeadLetter(
        "director", "ill", Stored(1, "lab.events.c.e1.AnalysisReady", b"{}"), said=dead_letters.PAUSED_INSTEAD
    )
    assert "move37 say resume" in (dead_letters.retry_objection(letter) or "")


async def test_a_role_that_fails_at_giving_up_still_leaves_a_letter() -> None:
    """Why is in its stack, and nothing dies."""
    ward, letter = await fallen_ill(Hopeless())
    assert letter.reason == "ill"
    assert "hopeless" in letter.stack
    assert dead_letters.retry_objection(letter) is None
    await ward.end()


@given(st.binary(max_size=200), st.text(), st.integers(0, 2**40))
def test_a_letter_reads_back_as_it_was_written(payload: bytes, reason: str, seq: int) -> None:
    """Any bytes, any reason."""
    reason = reason.encode("utf-8", "replace").decode()
    letter = DeadLetter("desk", reason, Stored(seq, "lab.human.c", payload), "stack", 3, ("A", "B"), 2, seq=7)
    assert dead_letters.decode(Stored(7, "lab.dead.desk", dead_letters.encode(letter))) == letter


def test_a_long_message_leaves_its_bytes_in_its_stream() -> None:
    """Its letter fits a message, says where the bytes are, and is not retried."""
    letter = DeadLetter("desk", "long", Stored(5, "lab.human.c", b"x" * (dead_letters.MAX_WHOLE_BYTES + 1)))
    read = dead_letters.decode(Stored(1, "lab.dead.desk", dead_letters.encode(letter)))
    assert len(dead_letters.encode(letter)) < dead_letters.MAX_WHOLE_BYTES
    assert "at 5" in (dead_letters.retry_objection(read) or "")


def test_a_letter_counts_only_on_its_role_s_subject() -> None:
    """The server lets a role bury under its own name alone: nobody writes a letter that goes back to another."""
    letter = dead_letters.encode(DeadLetter("desk", "forged", Stored(1, "lab.human.c", b"{}")))
    with pytest.raises(MalformedMessage, match=r"lies on lab\.dead\.trainer"):
        dead_letters.decode(Stored(1, "lab.dead.trainer", letter))


NO_HEX = b'{"role":"a","reason":"b","seq":1,"subject":"s","payload_hex":"0g"}'


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"role":"x"}', NO_HEX])
def test_what_is_no_letter_says_so(payload: bytes) -> None:
    """One line, no other exception."""
    with pytest.raises(MalformedMessage, match="no dead letter"):
        dead_letters.decode(Stored(1, "lab.dead.x", payload))
