"""What is kept of what people say, and of what they are answered."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import HumanAnswered, HumanMessage
from bus.wire.envelope import Envelope
from memory.rows import Row, projects


@dataclass(frozen=True, slots=True)
class Word(Row):
    """A person's word. A proposed source is kept with the proposal that the desk makes of it."""

    table: ClassVar[str] = "words"

    kind: str
    text: str
    by: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Reply(Row):
    """The lab's answer to a person."""

    table: ClassVar[str] = "replies"

    question: str
    answer: str
    to: str


@projects(HumanMessage)
def word(said: Envelope) -> list[Row]:
    """Keep a person's word."""
    return [Word.of(said)]


@projects(HumanAnswered)
def reply(said: Envelope) -> list[Row]:
    """Keep an answer."""
    return [Reply.of(said)]
