"""What the language model of a recorded campaign thinks: good ideas, faulty ones, and now and then no answer at all."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from agents.design import BASELINES
from tests.support.scripted_model import completion

BROKEN = Path(__file__).parent.parent / "agents" / "broken"
IDEAS = (
    ("two-clocks", "Two decays of different speed let one state hold what was just read and what was read long ago."),
    ("late-gate", "A gate after the readout silences heads whose keys collide, which plain linear attention can not."),
    ("local-first", "A short convolution before the keys tells neighbours apart, so that the state stores bigrams."),
    ("write-once", "The delta rule overwrites what a key held before, so that recall does not blur as keys return."),
    ("calm-keys", "Keys of unit length bound each write; the state then neither explodes nor drowns old entries."),
    ("wide-value", "More channels for values than for keys: what is recalled is rich, what addresses it is cheap."),
)
"""Name and motivation of the designs it proposes, one after another."""
OUT_OF_ORDER = 400, b'{"error": {"message": "the context is too long", "type": "test"}}'
"""An answer upon which nobody tries again."""


class Thinker:
    """Answers the requests of all roles, by the schema that each asks for."""

    def __init__(self) -> None:
        """Begin with the first idea."""
        self._asked: Counter[str] = Counter()

    def __call__(self, request: dict[str, Any]) -> tuple[int, bytes]:
        """Return an HTTP status and a body."""
        schema = request["response_format"]["json_schema"]["name"]
        self._asked[schema] += 1
        return getattr(self, f"_{schema.lower()}")(self._asked[schema] - 1)

    def _draft(self, place: int) -> tuple[int, bytes]:
        """Propose; the second idea has a fault that reading finds, the fourth is no typed answer, the sixth none."""
        if place == 3:
            return 200, completion("I would rather think about this a little longer.")
        if place == 5:
            return OUT_OF_ORDER
        name, motivation = IDEAS[place % len(IDEAS)]
        source = (BROKEN / "missing_colon.txt").read_text() if place == 1 else _source(place, name)
        return _said({"name": name, "motivation": motivation, "source": source})

    def _revision(self, place: int) -> tuple[int, bytes]:
        """Repair, but for every third time, when the endpoint is out of order for good."""
        if place % 3 == 2:
            return OUT_OF_ORDER
        return _said({"change": "Wrote the mixer anew, causal by construction.", "source": _source(place, "repaired")})

    def _judgement(self, place: int) -> tuple[int, bytes]:
        """Judge, in words and marks."""
        return _said({
            "findings": [f"Reading {place + 1}: the text loss is close to that of the baselines."],
            "problem": "Recall falls off once keys collide: the state overwrites what it can not tell apart.",
            "performance": 3 + place % 5, "innovation": 5, "complexity": 8 - place % 3,
        })  # fmt: skip

    def _answer(self, _: int) -> tuple[int, bytes]:
        """Answer a person."""
        return _said({"answer": "It is level with the other baselines so far."})


def _source(place: int, name: str) -> str:
    """Return a mixer that runs, unlike the others by its words at least."""
    baselines = sorted(BASELINES)
    return f"{BASELINES[baselines[place % len(baselines)]].source}\n# {name}, written by a model, {place}\n"


def _said(answer: dict[str, Any]) -> tuple[int, bytes]:
    """Return a typed answer."""
    return 200, completion(json.dumps(answer))
