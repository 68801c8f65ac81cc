"""What is kept of what people say, and of what they are answered."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import HumanAnswered, HumanMessage
from bus.wire.envelope import Envelope
from memory.rows import Row, projects


@dataclass(frozen=True, slots=True)
class HumanMessageRow(Row):
    """A person's word. A proposed source is kept with the proposal that the desk makes of it."""

    table: ClassVar[str] = "words"

    kind: str
    text: str
    by: str
    target: str | None


@dataclass(frozen=True, slots=True)
class HumanAnswerRow(Row):
    """The lab's answer to a person."""

    table: ClassVar[str] = "replies"

    question: str
    answer: str
    to: str


@projects(HumanMessage)
def word(envelope: Envelope) -> list[Row]:
    """Keep a person's word."""
    return [HumanMessageRow.of(envelope)]


@projects(HumanAnswered)
def reply(envelope: Envelope) -> list[Row]:
    """Keep an answer."""
    return [HumanAnswerRow.of(envelope)]
