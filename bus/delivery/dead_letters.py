"""Dead letters: what a role could not decide upon, kept with its bytes and its reason, and the way back to that role.

A letter is published on `lab.dead.<role>`. Retrying publishes the same letter on `lab.retry.<role>`, from which every
actor pulls beside its inbox: it takes the original message out and decides upon it as if it came for the first time.
What the decision says has ids derived from the original event, so whatever had been said before the fault is dropped.
"""

from dataclasses import dataclass, replace
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bus.delivery.transport import Durable
from bus.wire import subjects
from bus.wire.envelope import MalformedMessage
from bus.wire.ids import derive
from bus.wire.stored import Stored

MAX_WHOLE_BYTES = 2 << 20
"""Messages up to this size are kept whole in their letter, as text and as hex; a letter has to fit a message itself."""
PREVIEW_CHARACTERS = 4000
PAUSED_INSTEAD = ("CampaignPaused",)
"""What is said in place of a decision that a person's resumption makes up for."""


class _Wire(BaseModel):
    """A letter as it stands on the wire."""

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
    """One message that was given up."""

    role: str
    """Who could not decide upon it."""
    reason: str
    """Why, in one line."""
    original: Stored
    """The message as its stream holds it."""
    stack: str = ""
    """The traceback, where a decision raised."""
    deliveries: int = 1
    """How often it had been handed out."""
    said: tuple[str, ...] = ()
    """Types of what the role said in place of a decision: with them the lab has gone on without this one."""
    retry: int = 0
    """How often it had been retried before this letter."""
    preview: str = ""
    """The beginning of a message longer than `WHOLE_BYTES`, whose payload only its own stream has."""
    seq: int = 0
    """Position among the dead letters; 0 until it is there."""

    @property
    def id(self) -> str:
        """Message id: one letter for each message, role and retry, however often it is buried."""
        parts = (self.role, self.original.subject, self.original.seq, "dead")
        return derive(*parts, self.retry) if self.retry else derive(*parts)

    def for_retry(self) -> Self:
        """Return the letter as it goes back to its role."""
        return replace(self, retry=self.retry + 1)


def encode(letter: DeadLetter) -> bytes:
    """Return the bytes that go on the wire: the original as text to read, and as hex to the last bit."""
    payload = letter.original.payload
    whole = len(payload) <= MAX_WHOLE_BYTES
    text = payload.decode("utf-8", "backslashreplace")
    wire = _Wire(
        role=letter.role,
        reason=letter.reason,
        stack=letter.stack,
        deliveries=letter.deliveries,
        seq=letter.original.seq,
        subject=letter.original.subject,
        payload=text if whole else text[:PREVIEW_CHARACTERS],
        payload_hex=payload.hex() if whole else "",
        said=letter.said,
        retry=letter.retry,
    )
    return wire.model_dump_json().encode()


def decode(stored: Stored) -> DeadLetter:
    """Return the letter that a message holds. Raises Malformed."""
    try:
        wire = _Wire.model_validate_json(stored.payload)
        payload = bytes.fromhex(wire.payload_hex)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MalformedMessage(
            f"no dead letter: {'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}"
        ) from None
    except ValueError:
        raise MalformedMessage("no dead letter: payload_hex is no hex") from None
    if wire.role != stored.subject.rsplit(".", 1)[1]:
        raise MalformedMessage(f"no dead letter of {wire.role}'s: it lies on {stored.subject}")
    return DeadLetter(
        role=wire.role,
        reason=wire.reason,
        original=Stored(wire.seq, wire.subject, payload),
        stack=wire.stack,
        deliveries=wire.deliveries,
        said=wire.said,
        retry=wire.retry,
        preview="" if payload else wire.payload,
        seq=stored.seq,
    )


def retry_objection(letter: DeadLetter) -> str | None:
    """Say why a letter can't be handed to its role again, or None where it can."""
    if letter.role == "memory":
        return "memory reads the log as a whole: delete memory.duckdb, and it reads this message again with all others"
    if letter.preview:
        return f"it is longer than {MAX_WHOLE_BYTES >> 20} MiB: only its stream has the bytes, at {letter.original.seq}"
    if letter.said == PAUSED_INSTEAD:
        return f"{letter.role} paused the campaign instead; `move37 say resume` makes up for the decision"
    if letter.said:
        return f"{letter.role} said {', '.join(letter.said)} instead and the lab went on: a retry would contradict it"
    return None


def original_message(stored: Stored) -> Stored:
    """Return the original message that a retried letter carries. Raises Malformed."""
    return decode(stored).original


def retry_durable(role: str) -> Durable:
    """Return the consumer by which a role hears of its retried letters."""
    return Durable(f"{role}-retry", subjects.RETRY, (subjects.dead_letter_retry(role),))
