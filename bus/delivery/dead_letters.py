"""Dead letters: messages that a role could not handle, kept with their bytes and the reason, and their way back.

A letter is published on `lab.dead.<role>`. To retry it, the same letter is published on `lab.retry.<role>`. Every actor
also pulls from there, and decides about the original message as if it came for the first time. The ids of the resulting
events derive from the original event, so the stream drops those that were published before the failure.
"""

from dataclasses import dataclass, replace
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bus.delivery.transport import Durable
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from bus.wire.ids import derive
from bus.wire.stored_message import StoredMessage

MAX_WHOLE_BYTES = 2 << 20
"""A letter holds a message up to this size whole, as text and as hex, if the letter fits into a message."""
PREVIEW_CHARACTERS = 4000
REPLIES = frozenset({"HumanAnswered"})
"""Fallbacks that only tell a person what happened; a retry contradicts none of them."""
PAUSE_FALLBACK = ("CampaignPaused",)
"""The fallback for which a person makes up by resuming the campaign."""


class _WireLetter(BaseModel):
    """The wire form of a letter."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role: str
    reason: str
    stack: str = ""
    deliveries: int = 1
    seq: int
    subject: str
    payload: str = ""
    payload_hex: str = ""
    said: tuple[str, ...] = ()
    retry: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that a role gave up."""

    role: str
    """The role that could not handle it."""
    reason: str
    """Why it could not, in one line."""
    original: StoredMessage
    """The message as its stream stores it."""
    stack: str = ""
    """The traceback if the decision raised an error."""
    deliveries: int = 1
    """How often it was delivered."""
    fallback_types: tuple[str, ...] = ()
    """Types of the events that the role published in place of a decision, so that the lab could go on."""
    retry: int = 0
    """How often it was retried before this letter."""
    preview: str = ""
    """The beginning of a message that is too long for a letter; only its own stream has the whole payload."""
    seq: int = 0
    """Position among the dead letters; 0 until it is published."""

    @property
    def id(self) -> str:
        """Message id: one letter for each message, role and retry, however often it is published."""
        parts = (self.role, self.original.subject, self.original.seq, "dead")
        return derive(*parts, self.retry) if self.retry else derive(*parts)

    def for_retry(self) -> Self:
        """Return the letter to send back to its role."""
        return replace(self, retry=self.retry + 1)


def encode(letter: DeadLetter, *, whole: bool = True) -> bytes:
    """Return the letter as JSON: with the original as readable text, and as exact bytes in hex.

    Of a long original, or if it is not to be `whole`, the letter has the beginning of the text alone.
    """
    payload = letter.original.payload
    whole = whole and len(payload) <= MAX_WHOLE_BYTES
    text = payload.decode("utf-8", "backslashreplace")
    wire = _WireLetter(
        role=letter.role,
        reason=letter.reason,
        stack=letter.stack,
        deliveries=letter.deliveries,
        seq=letter.original.seq,
        subject=letter.original.subject,
        payload=text if whole else text[:PREVIEW_CHARACTERS],
        payload_hex=payload.hex() if whole else "",
        said=letter.fallback_types,
        retry=letter.retry,
    )
    return wire.model_dump_json().encode()


def decode(stored: StoredMessage) -> DeadLetter:
    """Return the letter in a message. Raises MalformedMessage."""
    try:
        wire = _WireLetter.model_validate_json(stored.payload)
        payload = bytes.fromhex(wire.payload_hex)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedMessage(
            f"no dead letter: {'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"
        ) from None
    except ValueError:
        raise MalformedMessage("no dead letter: payload_hex is not hexadecimal") from None
    if wire.role != stored.subject.rsplit(".", 1)[1]:
        raise MalformedMessage(f"no dead letter: role {wire.role} does not belong on {stored.subject}")
    return DeadLetter(
        role=wire.role,
        reason=wire.reason,
        original=StoredMessage(wire.seq, wire.subject, payload),
        stack=wire.stack,
        deliveries=wire.deliveries,
        fallback_types=wire.said,
        retry=wire.retry,
        preview="" if payload else wire.payload,
        seq=stored.seq,
    )


def retry_objection(letter: DeadLetter) -> str | None:
    """Return why a letter can't be retried, or None if it can."""
    if letter.role == "memory":
        return "memory reads the log as a whole; hint: delete memory.duckdb, and memory reads all messages again"
    if letter.preview:
        return f"message is too long for a letter; only its stream has all bytes, at position {letter.original.seq}"
    if letter.fallback_types == PAUSE_FALLBACK:
        return f"{letter.role} paused the campaign instead; hint: move37 say resume"
    if set(letter.fallback_types) - REPLIES:
        types = ", ".join(letter.fallback_types)
        return f"{letter.role} published {types} instead, and the lab went on; a retry would contradict it"
    return None


def original_message(stored: StoredMessage) -> StoredMessage:
    """Return the original message in a retried letter. Raises MalformedMessage."""
    return decode(stored).original


def retry_durable(role: str) -> Durable:
    """Return the consumer that gives a role its retried letters."""
    return Durable(f"{role}-retry", subjects.RETRY, (subjects.dead_letter_retry(role),))
