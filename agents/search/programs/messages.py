"""What a step of a researcher program is sent, as JSON: the call, the status, the state, the draws, the answers so far.

Both sides use this form: the policy outside writes a request, the process in the jail reads it. The state of the random
generator travels whole, so a program draws what a policy outside the sandbox would.
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
    """Return a step as JSON."""
    rows = ",".join(
        f"[{json.dumps(each.query.name)},{each.query.model_dump_json()},"
        f"{each.reply.model_dump_json(exclude_defaults=True)}]"
        for each in answers
    )
    head = json.dumps({"call": call, "state": dict(state), "random": _write_generator(random)})
    known = status.model_dump_json(exclude_defaults=True, exclude={"started": {"researcher"}})
    return f'{{"head":{head},"status":{known},"answers":[{rows}]}}'.encode()


def read_request(request: bytes) -> StepRequest:
    """Return the step that a request describes. Raises ValueError."""
    body = json.loads(request)
    head, status = body["head"], CampaignStatus.model_validate_json(json.dumps(body["status"]))
    answers = [_read_answer(*row) for row in body["answers"]]
    return StepRequest(head["call"], status, head["state"], _read_generator(head["random"]), answers)


def _read_answer(name: str, query: Any, reply: Any) -> AnsweredQuery:
    kind = QUERIES[name]
    return AnsweredQuery(kind.model_validate_json(json.dumps(query)), kind.Reply.model_validate_json(json.dumps(reply)))


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
