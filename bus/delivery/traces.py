"""Traces: what a decision read, recorded under its cause's id, so that a replay reads the same.

A decision may be made twice with other answers: its process died, or the log lost what it had published. Then it has a
trace for each time, and a replay takes the one that the log follows from.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_core import to_json

from bus.vocabulary.events import Record
from bus.vocabulary.questions import Question
from bus.wire.ids import derive
from bus.wire.trace_upcasters import TRACE_VERSION, upcast_traces

Answers = Sequence[Mapping[str, Any]]
"""The recorded answers of one decision, in order."""
Traces = Mapping[tuple[str, str], Sequence[Answers]]
"""(cause id, role) → the recorded answers, for each time that the decision was made with other ones."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A question with its answer, as a trace records it."""

    question: Question
    reply: Record
    body: bytes
    """The reply as JSON: as it came over the bus, or without default values if it was made in this process."""

    @classmethod
    def from_reply(cls, question: Question, reply: Record) -> Self:
        """Return the record of an answer that was made in this process."""
        return cls(question, reply, reply.model_dump_json(exclude_defaults=True).encode())


def encode(role: str, cause: str, answers: Iterable[RecordedAnswer]) -> bytes:
    """Return the trace of a role's decision about the event `cause`, as JSON."""
    rows = b",".join(map(_encode_answer, answers))
    head = b'"version":%d,"role":%b,"cause":%b' % (TRACE_VERSION, to_json(role), to_json(cause))
    return b'{%b,"answers":[%b]}' % (head, rows)


def _encode_answer(answer: RecordedAnswer) -> bytes:
    kind = to_json(type(answer.question).__name__)
    return b'{"question":%b,"asked":%b,"reply":%b}' % (kind, answer.question.model_dump_json().encode(), answer.body)


def trace_id(role: str, cause: str, payload: bytes) -> str:
    """Return the id of a trace's message: the stream drops a trace that it has."""
    return derive(cause, role, "trace", hashlib.sha256(payload).hexdigest())


def read_traces(lines: Iterable[bytes]) -> Traces:
    """Return the traces in the lines of an export, in today's form. Raises ValueError with a bad line's number."""
    bodies = [_decode(line, number) for number, line in enumerate(lines, 1)]
    traces: dict[tuple[str, str], list[Answers]] = {}
    try:
        for body in upcast_traces(bodies):
            traces.setdefault((body["cause"], body["role"]), []).append(body["answers"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a trace is not of its version ({type(error).__name__}: {error})") from None
    return traces


def _decode(line: bytes, number: int) -> dict[str, Any]:
    """Return the trace in a line. Raises ValueError."""
    try:
        body = json.loads(line)
        assert all(isinstance(body[key], kind) for key, kind in (("cause", str), ("role", str), ("answers", list)))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"line {number} is no trace ({type(error).__name__})") from None
    return body


def traces_path(log: Path) -> Path:
    """Return the path of the traces that are exported with a log."""
    return log.with_suffix(".traces.jsonl")
