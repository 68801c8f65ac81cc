"""The scripted language model of a recorded campaign: its ideas are good or faulty, and some replies are errors."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from agents.design import BASELINES, draw_design, render
from tests.support.scripted_model import ScriptedModel, completion

BROKEN = Path(__file__).parent.parent / "agents" / "broken"
IDEAS = (
    ("two-clocks", "Two decays of different speed let one state hold what was just read and what was read long ago."),
    ("late-gate", "A gate after the readout silences heads whose keys collide, which plain linear attention can not."),
    ("local-first", "A short convolution before the keys tells neighbours apart, so that the state stores bigrams."),
    ("write-once", "The delta rule overwrites what a key held before, so that recall does not blur as keys return."),
    ("calm-keys", "Keys of unit length bound each write; the state then neither explodes nor drowns old entries."),
    ("wide-value", "More channels for values than for keys: what is recalled is rich, what addresses it is cheap."),
)
"""Names and motivations of the proposals, in order."""
TOOL_CALLS: Mapping[str, dict[str, str]] = {
    "search_papers": {"text": "keys collide"},
    "similar_ideas": {"text": IDEAS[0][1]},
    "show_experiment": {"experiment": "base-gla"},
    "diff": {"a": "base-gla", "b": "base-deltanet"},
    "unit_effects": {"axis": ""},
    "failures_like": {"reason": ""},
    "check_source": {"source": BASELINES["gla"].source},
}
"""What it looks up before every plan."""
REFUSAL = 400, b'{"error": {"message": "the context is too long", "type": "test"}}'
"""A status and a body after which a client does not repeat its request."""


class Thinker:
    """Answers the requests of all roles; the reply depends on the schema that a request names."""

    def __init__(self) -> None:
        """Start with the first idea."""
        self._counts: Counter[str] = Counter()

    def __call__(self, request: dict[str, Any]) -> tuple[int, bytes]:
        """Return an HTTP status and a body."""
        schema = request["response_format"]["json_schema"]["name"]
        if schema == "Plan" and "tools" in request and request["messages"][-1]["role"] != "tool":
            return _calls(TOOL_CALLS)
        self._counts[schema] += 1
        return getattr(self, f"_{schema.lower()}")(self._counts[schema] - 1)

    def _plan(self, index: int) -> tuple[int, bytes]:
        """Plan the next idea."""
        _, motivation = IDEAS[index % len(IDEAS)]
        return _typed_answer({"mechanism": motivation, "weakness": "keys collide", "expected": "recall"})

    def _reflection(self, _: int) -> tuple[int, bytes]:
        """Approve."""
        return _typed_answer({"holds": True, "why": "It stands."})

    def _patch(self, index: int) -> tuple[int, bytes]:
        """Change a line that every source of the grammar has."""
        change = {"search": "import torch.nn.functional as F", "replace": f"import torch.nn.functional as F  # {index}"}
        name, motivation = IDEAS[index % len(IDEAS)]
        return _typed_answer({"name": name, "motivation": motivation, "replacements": [change]})

    def _unitplan(self, index: int) -> tuple[int, bytes]:
        """Ask for two questions of the design, one of which no design has."""
        name, motivation = IDEAS[index % len(IDEAS)]
        return _typed_answer({"name": name, "motivation": motivation, "questions": ["gate", "colour"]})

    def _unitchoice(self, index: int) -> tuple[int, bytes]:
        """Name a unit that does not exist, then one that does."""
        return _typed_answer({"unit": "velvet" if index % 2 == 0 else "sigmoid"})

    def _sameness(self, _: int) -> tuple[int, bytes]:
        """Find every idea new."""
        return _typed_answer({"same_as": "", "why": "It writes otherwise."})

    def _insights(self, _: int) -> tuple[int, bytes]:
        """Sum up."""
        return _typed_answer({"worked": ["A gate (e0001)."], "failed": [], "questions": ["Does a window help?"]})

    def _draft(self, index: int) -> tuple[int, bytes]:
        """Propose; the second source has a syntax error, the fourth reply is no typed answer, the sixth a refusal."""
        if index == 3:
            return 200, completion("I would rather think about this a little longer.")
        if index == 5:
            return REFUSAL
        name, motivation = IDEAS[index % len(IDEAS)]
        source = (BROKEN / "missing_colon.txt").read_text() if index == 1 else _source(index, name)
        return _typed_answer({"name": name, "motivation": motivation, "source": source})

    def _revision(self, index: int) -> tuple[int, bytes]:
        """Repair; every third request is refused."""
        if index % 3 == 2:
            return REFUSAL
        return _typed_answer(
            {"change": "Wrote the mixer again, causal by construction.", "source": _source(index, "repaired")}
        )

    def _judgement(self, index: int) -> tuple[int, bytes]:
        """Judge, in words and marks."""
        return _typed_answer({
            "findings": [f"Reading {index + 1}: the text loss is close to that of the baselines."],
            "problem": "Recall falls off once keys collide: the state overwrites what it can not tell apart.",
            "performance": 3 + index % 5, "innovation": 5, "complexity": 8 - index % 3,
        })  # fmt: skip

    def _answer(self, _: int) -> tuple[int, bytes]:
        """Answer a person."""
        return _typed_answer({"answer": "It is level with the other baselines so far."})


def _calls(calls: Mapping[str, dict[str, str]]) -> tuple[int, bytes]:
    """Return a reply that calls tools."""
    body = json.loads(completion(""))
    named = [
        {"id": f"call-{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for name, arguments in calls.items()
    ]
    said = {"role": "assistant", "content": None, "tool_calls": named}
    body["choices"][0] |= {"message": said, "finish_reason": "tool_calls"}
    return 200, json.dumps(body).encode()


def _source(index: int, name: str) -> str:
    """Return a valid mixer of a design that is no human one, and hardly ever an earlier one."""
    source = render(draw_design(Random(f"{name} {index}"))).source
    return f"{source}\n# {name}, written by a model, {index}\n"


def _typed_answer(answer: dict[str, Any]) -> tuple[int, bytes]:
    """Return a reply with a typed answer."""
    return 200, completion(json.dumps(answer))


@contextmanager
def served_thinker() -> Iterator[ScriptedModel]:
    """Serve a thinker at an endpoint."""
    served = ScriptedModel()
    served.default_step = Thinker()
    try:
        yield served
    finally:
        served.close()
