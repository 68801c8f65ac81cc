"""Traces: what a decision read, recorded under its cause's id, so that a replay reads the same."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic_core import to_json

from bus.vocabulary.events import Record
from bus.vocabulary.questions import Question

Traces = Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
"""(cause id, role) → the recorded answers of the decision, in order."""


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
    return b'{"role":%b,"cause":%b,"answers":[%b]}' % (to_json(role), to_json(cause), rows)


def _encode_answer(answer: RecordedAnswer) -> bytes:
    kind = to_json(type(answer.question).__name__)
    return b'{"question":%b,"asked":%b,"reply":%b}' % (kind, answer.question.model_dump_json().encode(), answer.body)


def read_traces(lines: Iterable[bytes]) -> Traces:
    """Return the traces in the lines of an exported file. Raises ValueError with the number of a bad line."""
    traces: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {}
    for number, line in enumerate(lines, 1):
        try:
            body = json.loads(line)
            traces[body["cause"], body["role"]] = body["answers"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no trace ({type(error).__name__})") from None
    return traces


def traces_path(log: Path) -> Path:
    """Return the path of the traces that are exported with a log."""
    return log.with_suffix(".traces.jsonl")
