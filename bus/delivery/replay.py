"""Replays one role on a recorded log: does today's code decide what was decided then?

Every event that the role handles is decided again. Its questions are answered from the recorded traces: answers of
memory and completions of a model. So nothing else has to run, and no clock is read. Questions and posts are compared
with the recorded ones, and the first difference of a decision is reported.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from bus.delivery.bus import MAX_ALTERNATIVE_IDS
from bus.delivery.role import Post, Role, Subdecision, one_by_one, ordinals
from bus.delivery.role_spec import RoleSpec
from bus.delivery.traces import Answers, Traces
from bus.vocabulary.events import Event
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import alternative_id, derive

T = TypeVar("T")
Instrument = Callable[[Role, Envelope, Answers], Role]
"""Returns the role that decides about an event in place of another, as a debugger does."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first part of a decision that is not as recorded."""

    envelope: Envelope
    kind: str
    """`question`, `post`, `missing` or `raised`."""
    recorded: str
    today: str

    def __str__(self) -> str:
        """Return a readable difference: recorded lines with -, today's with +."""
        lines = difflib.unified_diff(
            self.recorded.splitlines(), self.today.splitlines(), "recorded", "today", lineterm="", n=2
        )
        head = f"event {self.envelope.seq} {self.envelope.type} ({self.envelope.experiment}): {self.kind} differs"
        return "\n".join([head, *lines])


class DecisionDiffers(Exception):
    """Carries a difference out of the decision that is being replayed."""

    def __init__(self, kind: str, recorded: str, today: str) -> None:
        """Carry the first difference."""
        super().__init__(kind)
        self.kind, self.recorded, self.today = kind, recorded, today


class _Recording:
    """The recorded log, indexed by what a comparison looks up."""

    def __init__(self, history: Sequence[Envelope]) -> None:
        self._by_id = {envelope.id: envelope for envelope in history}
        self._newest = {(item.campaign, item.experiment, item.type): item.seq for item in history}

    def post_at(self, cause: Envelope, role: str, ordinal: int | str) -> Envelope | None:
        """Return the recorded post of a decision at an ordinal."""
        first = derive(cause.id, role, ordinal)
        ids = (alternative_id(first, number) for number in range(MAX_ALTERNATIVE_IDS + 1))
        return next((post for one in ids if (post := self._by_id.get(one)) and post.role == role), None)

    def refuses(self, cause: Envelope, post: Post) -> bool:
        """Return True if the stream refuses a post, because another decision published its kind first."""
        newest = self._newest.get((cause.campaign, post.experiment, type(post.event).__name__), 0)
        return post.expected_last is not None and newest > post.expected_last


def replay_role(
    spec: RoleSpec,
    history: Sequence[Envelope],
    traces: Traces,
    *,
    first: int = 1,
    last: int = 0,
    instrument: Instrument = lambda role, _envelope, _answers: role,
) -> Iterator[tuple[Envelope, Difference | None]]:
    """Yield every event that the role decides about, with the first difference of that decision or None.

    `first` and `last` limit the positions of those events; 0 means the end of the log. `instrument` wraps the role for
    each decision.
    """
    recording, role = _Recording(history), spec.decider()
    for envelope in history:
        if not isinstance(envelope.event, spec.subscribes) or envelope.seq < first or (last and envelope.seq > last):
            continue
        attempts = traces.get((envelope.id, spec.name), ())
        if not attempts and _asks_questions(role, envelope):
            continue  # this decision was still open when the log was exported
        difference = None
        for answers in attempts or ((),):
            decider = instrument(role, envelope, answers)
            difference = _compare(spec.name, decider, envelope, answers, recording)
            if difference is None:
                break
        yield envelope, difference


def _asks_questions(role: Role, envelope: Envelope) -> bool:
    """Return True if a decision asks a question."""
    decision = one_by_one(role.decide(envelope))
    try:
        step = next(decision)
        while isinstance(step, Post):
            step = decision.send(None)
    except StopIteration:
        return False
    decision.close()
    return True


def _compare(name: str, role: Role, envelope: Envelope, answers: Answers, recording: _Recording) -> Difference | None:
    """Return the first difference of one decision of the role that is called `name`."""
    try:
        early, last = drive_recorded(role.decide(envelope), answers)
        _compare_posts(name, envelope, early, last or (), recording)
    except DecisionDiffers as differs:
        return Difference(envelope, differs.kind, differs.recorded, differs.today)
    except Exception as error:  # noqa: BLE001  (any error of a role is a difference from the recorded decision)
        return Difference(envelope, "raised", "", f"{type(error).__name__}: {error}")
    return None


def _compare_posts(
    name: str, envelope: Envelope, early: Sequence[Post], last: Sequence[Post], recording: _Recording
) -> None:
    """Raise DecisionDiffers at the first post that is not as recorded, or at a recorded post that is missing."""
    posts = [*early, *last]
    for index, (ordinal, post) in enumerate(zip(ordinals(posts), posts, strict=True)):
        recorded = recording.post_at(envelope, name, ordinal)
        if recorded is None and recording.refuses(envelope, post):
            continue
        _compare_post(recorded, post, by_kind=index < len(early))
    if missing := recording.post_at(envelope, name, sum(not post.key for post in posts)):
        raise DecisionDiffers("missing", _text(missing.experiment, missing.event), "")


def _compare_post(recorded: Envelope | None, post: Post, *, by_kind: bool) -> None:
    """Raise DecisionDiffers if a post is not the recorded one; `by_kind` compares experiment and type only.

    A post that was published before the decision went on may be from a process that then died. The log holds its
    content, but the trace is from the process that finished the decision.
    """
    kind = (post.experiment, type(post.event).__name__)
    if by_kind and recorded and (recorded.experiment, recorded.type) == kind:
        return
    before = _text(recorded.experiment, recorded.event) if recorded else ""
    today = _text(post.experiment, post.event)
    if before != today:
        raise DecisionDiffers("post", before, today)


def drive_recorded(decision: Subdecision[T], answers: Answers) -> tuple[list[Post], T]:
    """Drive a decision, or a part of one, with recorded answers; return the posts that it yields, and its result.

    Raises DecisionDiffers at a question that is not as recorded.
    """
    remaining = iter(answers)
    early: list[Post] = []
    steps = one_by_one(decision)
    reply: Any = None
    try:
        while True:
            step = steps.send(reply)
            if isinstance(step, Post):
                early.append(step)
                reply = None
            else:
                reply = _recorded_reply(step, next(remaining, None))
    except StopIteration as stop:
        return early, stop.value


def _recorded_reply(question: Question, answer: Mapping[str, Any] | None) -> Any:
    """Return the recorded reply to a question. Raises DecisionDiffers if another question was recorded."""
    name, body = type(question).__name__, question.model_dump(mode="json")
    if answer is None:
        raise DecisionDiffers("question", "", _pretty({name: body}))
    asked = _with_defaults(type(question), answer["asked"])
    if (answer["question"], asked) != (name, body):
        raise DecisionDiffers("question", _pretty({answer["question"]: asked}), _pretty({name: body}))
    return type(question).Reply.model_validate_json(json.dumps(answer["reply"]))


def _with_defaults(kind: type[Question], asked: Any) -> Any:
    """Return a recorded question with the fields that its class has got since, or as it is if it is of another."""
    try:
        return kind.model_validate_json(json.dumps(asked)).model_dump(mode="json")
    except ValidationError:
        return asked


def _text(experiment: str, event: Event) -> str:
    """Return a post as text for a line-by-line comparison; an architecture source keeps its lines."""
    body = event.model_dump(mode="json")
    source = body.pop("source", None)
    text = _pretty({"experiment": experiment, type(event).__name__: body})
    return text if source is None else f"{text}\n{source}"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
