"""Decisions without a bus: a test gives an event and the replies to questions, and gets the questions and the posts."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from bus.delivery.role import Post, Role, Subdecision, one_by_one
from bus.vocabulary.events import Event, Record
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN

T = TypeVar("T")
Answers = Mapping[type[Question], Record | Callable[[Any], Record]]
"""A reply for each class of question, or a function of the question that returns it."""


class Driven(NamedTuple):
    """The questions and posts of a decision."""

    questions: list[Question]
    posts: list[Post]


def envelope_of(event: Event, experiment: str = CAMPAIGN, seq: int = 40) -> Envelope:
    """Return the envelope that an event has in the log."""
    return Envelope(f"id-{seq}", "/lab/test/1", datetime.now(UTC), "nano-0-aa", experiment, event, seq=seq)


def decide(role: Role, envelope: Envelope, answers: Answers | None = None) -> Driven:
    """Return the questions that a role asks about an event, and the posts that it publishes."""
    driven = Driven([], [])
    driven.posts.extend(drive(role.decide(envelope), answers or {}, driven))
    return driven


def drive(steps: Subdecision[T], answers: Answers, driven: Driven | None = None) -> T:
    """Run a decision, or a part of one, and return its result; `driven` collects its questions and early posts."""
    record = driven or Driven([], [])
    reply: Record | None = None
    one_line = one_by_one(steps)
    try:
        while True:
            step = one_line.send(reply)
            if isinstance(step, Post):
                record.posts.append(step)
                reply = None
                continue
            record.questions.append(step)
            answer = answers[type(step)]
            reply = answer if isinstance(answer, Record) else answer(step)
    except StopIteration as stop:
        return stop.value
