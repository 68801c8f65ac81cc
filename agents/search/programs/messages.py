"""What a step of a researcher program is sent: the call, the status, the state, the draws, the answers so far.

Both sides use this form, lines of JSON: the policy outside writes a request, the process in the jail reads it. The
state of the random generator travels whole, so a program draws what a policy outside the sandbox would.
"""

import base64
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any

from bus.vocabulary.queries import QUERIES, CampaignStatus
from bus.vocabulary.queries.query import Query
from bus.vocabulary.questions import Record
from bus.wire.ids import derive

GENERATOR_VERSION = 3
"""Version of the state of `random.Random`."""


@dataclass(frozen=True, slots=True)
class AnsweredQuery:
    """A query of a step, with memory's answer."""

    query: Query
    reply: Record


@dataclass(frozen=True, slots=True)
class StepRequest:
    """A step, as the process in the jail reads it."""

    call: str
    status: CampaignStatus
    state: Mapping[str, Any]
    random: Random | None
    answers: Sequence[AnsweredQuery]


def program_digest(source: str) -> str:
    """Return the digest that names a program."""
    return sha256(source.encode()).hexdigest()


def draws_digest(generator: Random) -> str:
    """Return a digest of what a generator will draw."""
    return derive(generator.getstate())[:16]


def write_request(
    call: str, status: CampaignStatus, state: Mapping[str, Any], random: Random | None, answers: Sequence[AnsweredQuery]
) -> bytes:
    """Return a step as lines: call, state and draws; the status; and name, query and reply of each answer."""
    head = json.dumps({"call": call, "state": dict(state), "random": _write_generator(random)})
    lines = [head, status.model_dump_json(exclude_defaults=True, exclude={"started": {"researcher"}})]
    for each in answers:
        reply = each.reply.model_dump_json(exclude_defaults=True)
        lines += [each.query.name, each.query.model_dump_json(), reply]
    return "\n".join(lines).encode()


def read_request(request: bytes) -> StepRequest:
    """Return the step that a request describes. Raises ValueError."""
    first, second, *rest = request.split(b"\n")
    head, status = json.loads(first), CampaignStatus.model_validate_json(second)
    answers = [_read_answer(*row) for row in zip(rest[::3], rest[1::3], rest[2::3], strict=True)]
    return StepRequest(head["call"], status, head["state"], _read_generator(head["random"]), answers)


def _read_answer(name: bytes, query: bytes, reply: bytes) -> AnsweredQuery:
    kind = QUERIES[name.decode()]
    return AnsweredQuery(kind.model_validate_json(query), kind.Reply.model_validate_json(reply))


def _write_generator(generator: Random | None) -> tuple[str, float | None] | None:
    """Return the state of a generator: its words in base 64, and the normal draw that it holds back."""
    if generator is None:
        return None
    version, words, held = generator.getstate()
    assert version == GENERATOR_VERSION
    return base64.b64encode(array("I", words).tobytes()).decode(), held


def _read_generator(state: tuple[str, float | None] | None) -> Random | None:
    if state is None:
        return None
    words = array("I", base64.b64decode(state[0]))
    generator = Random(0)
    generator.setstate((GENERATOR_VERSION, tuple(words), state[1]))
    return generator
