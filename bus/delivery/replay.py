"""Replaying one role against a recorded log: does today's code decide what was decided then?

Every event that the role handles is decided upon again. Its questions are answered from the recorded traces (memory's
answers and a model's completions included), so nothing else has to run and no clock enters. Questions and posts are
compared with what was recorded; the first difference of a decision is reported.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.delivery.role import Post, Role
from bus.vocabulary.events import Event
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import derive

Traces = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""(cause id, role) → the questions asked and their replies, in order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in a decision that is not as recorded."""

    envelope: Envelope
    what: str
    """`question`, `post`, `missing`, `extra` or `raised`."""
    recorded: str
    today: str

    def __str__(self) -> str:
        """Return a readable difference, recorded lines with -, today's with +."""
        lines = difflib.unified_diff(
            self.recorded.splitlines(), self.today.splitlines(), "recorded", "today", lineterm="", n=2
        )
        head = f"event {self.envelope.seq} {self.envelope.type} ({self.envelope.experiment}): {self.what} differs"
        return "\n".join([head, *lines])


class _DecisionDiffers(Exception):
    """Carries a difference out of a decision that is being driven."""

    def __init__(self, what: str, recorded: str, today: str) -> None:
        super().__init__(what)
        self.found = (what, recorded, today)


def read_traces(lines: Iterable[bytes]) -> Traces:
    """Return the traces that an exported file holds. Raises ValueError with the line."""
    traces: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {}
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            traces[body["cause"], body["role"]] = body["answers"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no trace ({type(error).__name__})") from None
    return traces


def replay_role(
    role: Role, history: Sequence[Envelope], traces: Traces, *, first: int = 1, last: int = 0
) -> Iterator[tuple[Envelope, Difference | None]]:
    """Yield every event that the role decides upon, with the first difference of that decision or None."""
    recorded = {said.id: said for said in history}
    newest = {(said.campaign, said.experiment, said.type): said.seq for said in history}
    for said in history:
        if not isinstance(said.event, role.handles) or said.seq < first or (last and said.seq > last):
            continue
        answers = traces.get((said.id, role.name))
        if answers is None and _needs_answers(role, said):
            continue  # this decision had not been seen through when the log was taken
        yield said, _compare(role, said, answers or (), recorded, newest)


def _needs_answers(role: Role, envelope: Envelope) -> bool:
    """Say whether a decision begins by asking something."""
    decision = role.decide(envelope)
    try:
        asked = next(decision)
        while isinstance(asked, Post):
            asked = decision.send(None)
    except StopIteration:
        return False
    decision.close()
    return True


def _compare(
    role: Role,
    envelope: Envelope,
    answers: Sequence[Mapping[str, Any]],
    recorded: Mapping[str, Envelope],
    newest: Mapping[tuple[str, str, str], int],
) -> Difference | None:
    """Return the first difference of one decision."""
    try:
        early, last = _drive(role, envelope, answers)
        posts = [*early, *last]
        for ordinal, post in enumerate(posts):
            was = recorded.get(derive(envelope.id, role.name, ordinal))
            there = newest.get((envelope.campaign, post.experiment, type(post.event).__name__), 0)
            refused = (
                was is None and post.expected_last is not None and there > post.expected_last
            )  # another decision had said it first
            if not refused:
                _expect(was, post, of_a_kind=ordinal < len(early))
        if more := recorded.get(derive(envelope.id, role.name, len(posts))):
            raise _DecisionDiffers("missing", _text(more.experiment, more.event), "")
    except _DecisionDiffers as differs:
        return Difference(envelope, *differs.found)
    except Exception as error:  # noqa: BLE001  (whatever a role raises is a difference from what it did then)
        return Difference(envelope, "raised", "", f"{type(error).__name__}: {error}")
    return None


def _expect(was: Envelope | None, post: Post, *, of_a_kind: bool) -> None:
    """Raise _Differs where a post is not the recorded one, or not of its kind.

    What had to be out before the decision went on may have been said by a process that then died: the log keeps its
    words, and the trace is that of the process which saw the decision through.
    """
    if of_a_kind and was and (was.experiment, was.type) == (post.experiment, type(post.event).__name__):
        return
    before = _text(was.experiment, was.event) if was else ""
    today = _text(post.experiment, post.event)
    if before != today:
        raise _DecisionDiffers("post", before, today)


def _drive(role: Role, envelope: Envelope, answers: Sequence[Mapping[str, Any]]) -> tuple[list[Post], Sequence[Post]]:
    """Drive a decision with recorded answers. Raises _Differs at a question of today's own.

    Return the posts that had to be out before it went on, and those at its end.
    """
    left = iter(answers)
    posts: list[Post] = []
    decision = role.decide(envelope)
    reply: Any = None
    try:
        while True:
            asked = decision.send(reply)
            if isinstance(asked, Post):
                posts.append(asked)
                reply = None
            else:
                reply = _recorded_reply(asked, next(left, None))
    except StopIteration as stop:
        return posts, stop.value or ()


def _recorded_reply(asked: Question, was: Mapping[str, Any] | None) -> Any:
    """Return the recorded reply to a question. Raises _Differs where another question was asked then."""
    name, body = type(asked).__name__, asked.model_dump(mode="json")
    if was is None:
        raise _DecisionDiffers("question", "", _pretty({name: body}))
    if (was["question"], was["asked"]) != (name, body):
        raise _DecisionDiffers("question", _pretty({was["question"]: was["asked"]}), _pretty({name: body}))
    return type(asked).Reply.model_validate_json(json.dumps(was["reply"]))


def _text(experiment: str, event: Event) -> str:
    """Return a post as text that differs line by line."""
    body = event.model_dump(mode="json")
    source = body.pop("source", None)
    text = _pretty({"experiment": experiment, type(event).__name__: body})
    return text if source is None else f"{text}\n{source}"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)


def traces_path(log: Path) -> Path:
    """Return where an export puts the traces that belong to a log."""
    return log.with_suffix(".traces.jsonl")
