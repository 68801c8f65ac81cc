"""What the tests of the agents share: decisions driven by a list of answers, and a local model endpoint."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.delivery.role import Decision, Post, Role
from bus.vocabulary.events import Event, Record
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from tests.support.scripted_model import ScriptedModel

Answers = dict[type[Question], Any]
"""A reply for each kind of question, or a function of the question that gives it."""


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve one scripted model to a test."""
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture
def said() -> Callable[..., Envelope]:
    """Return a maker of envelopes: an event, its experiment, its position."""

    def make(event: Event, experiment: str = CAMPAIGN, seq: int = 40) -> Envelope:
        return Envelope(f"id-{seq}", "/lab/test/1", datetime.now(UTC), "nano-0-aa", experiment, event, seq=seq)

    return make


@pytest.fixture
def drive() -> Callable[..., tuple[list[Question], list[Post]]]:
    """Return a driver of decisions: role, event and answers in; what was asked and what was said out."""

    def run(role: Role, upon: Envelope, answers: Answers | None = None) -> tuple[list[Question], list[Post]]:
        return driven(role.decide(upon), answers or {})

    return run


def driven(decision: Decision, answers: Answers) -> tuple[list[Question], list[Post]]:
    """Drive a decision with the answers."""
    asked: list[Question] = []
    posts: list[Post] = []
    reply: Record | None = None
    try:
        while True:
            step = decision.send(reply)
            reply = None
            if isinstance(step, Post):
                posts.append(step)
            else:
                asked.append(step)
                given = answers[type(step)]
                reply = given(step) if callable(given) and not isinstance(given, Record) else given
    except StopIteration as stop:
        return asked, [*posts, *(stop.value or ())]
