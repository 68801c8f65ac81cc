"""Rows of the messages of people, and of the lab's answers."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import HumanAnswered, HumanMessage
from memory.rows import Row, projects


@projects(HumanMessage)
@dataclass(frozen=True, slots=True)
class HumanMessageRow(Row):
    """A person's message. If it proposes a source, the proposal that the desk makes of it has the source."""

    table: ClassVar[str] = "words"

    kind: str
    text: str
    by: str
    target: str | None


@projects(HumanAnswered)
@dataclass(frozen=True, slots=True)
class HumanAnswerRow(Row):
    """The lab's answer to a person."""

    table: ClassVar[str] = "replies"

    question: str
    answer: str
    to: str
