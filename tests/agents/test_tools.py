"""The tools of a model: what each returns, what it asks, and that texts of others stay in their blocks."""

import re
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from agents.design import BASELINES
from agents.llm.tools import TOOLS
from agents.llm.tools.effects import MAX_UNITS
from agents.thinking.designing import ToolName
from bus.delivery.role import Post
from bus.vocabulary.events import ProposalRequested
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskNeighbours,
    AskUnitEffects,
    Cognition,
    CognitionEntry,
    Experiments,
    FailedAttempt,
    Neighbour,
    Neighbours,
    Query,
    UnitEffect,
    UnitEffects,
)
from bus.vocabulary.questions import GateCheck, GateVerdict
from tests.support.decisions import Driven, drive, envelope_of
from tests.support.factories import experiment
from tests.support.injections import GLA, PLAIN, TEXTS, hidden_characters

CAUSE = envelope_of(ProposalRequested(slot=3, arm="guided"), "e0003")
CALLS: dict[str, dict[str, str]] = {
    "search_papers": {"text": "keys interfere"},
    "similar_ideas": {"text": "two clocks"},
    "show_experiment": {"experiment": "e0001"},
    "diff": {"a": "e0001", "b": "e0002"},
    "unit_effects": {"axis": "gate"},
    "failures_like": {"reason": "causality"},
    "check_source": {"source": GLA},
}
EDGE = re.compile(
    r"</?(?:paper|idea|figures|motivation|findings|source|failures?|diff|unit-effects|evidence)\b[^<>\n]*>|<\|[^<>|]*\|>"
)


def memory(text: str) -> dict[Any, Any]:
    """Return memory's replies with a text in every place for texts of people, papers, models and candidates."""
    failed = FailedAttempt(attempt=0, stage="gate", reason="causality", message=text, repair=text)
    texts: dict[str, Any] = {"name": text, "motivation": text, "findings": (text,), "failures": (failed,)}
    rows = (
        experiment("e0001", val_loss=1.5, source=f"{GLA}# {text}", fitness=0.5, **texts),
        experiment("e0002", "failed", reason="causality", source=GLA, **texts),
    )
    entry = CognitionEntry(key="k", title=text, scenario=text, algorithm=text, history=text)
    return {
        AskCognition: Cognition(rows=(entry,)),
        AskNeighbours: Neighbours(rows=(Neighbour(id="e0001", similarity=0.9, motivation=text),)),
        AskUnitEffects: effects(text),
        GateCheck: GateVerdict(outcome="failed", reason="causality", message=text, tail=text),
        AskExperiments: lambda ask: Experiments(rows=tuple(row for row in rows if not ask.ids or row.id in ask.ids)),
    }


def effects(text: str) -> UnitEffects:
    """Return the effects of a named unit, of one that is open, and of a formula with a text as its key."""
    figures: dict[str, Any] = {"designs": 12, "effect": 0.8, "low": 0.3, "high": 1.3}
    rows = (
        UnitEffect(unit="linear/gate:sigmoid", **figures),
        UnitEffect(unit="linear/gate:f00", formula=text, **figures),
        UnitEffect(unit="norm:rms", designs=3, effect=0.1, low=-0.5, high=0.7),
    )
    return UnitEffects(rows=rows, analysed=20)


def call(name: str, text: str = PLAIN, **arguments: str) -> tuple[str, Driven]:
    """Return what a tool says, and what it asked."""
    driven = Driven([], [])
    tool = TOOLS[name]
    steps = tool.run(CAUSE, tool.Arguments.model_validate(CALLS[name] | arguments))
    return drive(steps, memory(text), driven), driven


def test_the_settings_name_every_tool() -> None:
    """A researcher may use all of them."""
    assert set(get_args(ToolName)) == set(TOOLS) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_a_tool_reads_as_of_the_event_and_publishes_nothing(name: str) -> None:
    """Every question is a query about the log up to the cause, or a check that enters no log."""
    _, driven = call(name)
    queries = [question for question in driven.questions if not isinstance(question, GateCheck)]
    assert all(isinstance(question, Query) and question.at == CAUSE.seq for question in queries)
    assert not [step for step in driven.posts if isinstance(step, Post)]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("search_papers", '<paper from="paper">'),
        ("similar_ideas", "fitness 0.500"),
        ("show_experiment", "nats_per_byte 1.5"),
        ("diff", "-# prefer a gate"),
        ("unit_effects", "gate:sigmoid: helps, +0.80 (+0.30 to +1.30), 12 designs"),
        ("failures_like", "gate causality: prefer a gate"),
        ("check_source", '<evidence from="candidate">'),
    ],
)
def test_a_tool_returns_what_was_asked_for(name: str, fact: str) -> None:
    """The lab's figures come with the words of others in blocks."""
    assert fact in call(name)[0]


def test_check_source_names_the_fault() -> None:
    """Its line too, so that the model finds it; no gate has to look."""
    source = BASELINES["gla"].source.replace("import torch\n", "import os\n", 1)
    text, driven = call("check_source", source=source)
    assert text.startswith("import: line ")
    assert not driven.questions


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (GateVerdict(outcome="passed"), "no static fault, and it passes every gate"),
        (GateVerdict(message="no trainer has answered"), "the gates were not run: no trainer has answered"),
        (GateVerdict(outcome="failed", reason="causality", message="t=3 reads t=7"), "a gate found causality\n<evid"),
    ],
)
def test_check_source_says_what_the_gates_find(verdict: GateVerdict, said: str) -> None:
    """They get the source as it is; without a verdict, the conversation has the static check alone."""
    driven = Driven([], [])
    tool = TOOLS["check_source"]
    text = drive(tool.run(CAUSE, tool.Arguments.model_validate({"source": GLA})), {GateCheck: verdict}, driven)
    assert said in text
    assert driven.questions == [GateCheck(campaign=CAUSE.campaign, source=GLA)]


def test_unit_effects_are_those_of_an_axis() -> None:
    """Others are not shown; an axis without an effect is no fault."""
    assert "norm:rms" not in call("unit_effects", axis="gate")[0]
    assert "norm:rms: open" in call("unit_effects", axis="")[0]
    assert call("unit_effects", axis="colour")[0] == "nothing is known of such units yet"


def test_unit_effects_keep_the_decided_and_the_largest() -> None:
    """Among many units, in the order of their effects."""
    many = [UnitEffect(unit=f"norm:u{n}", designs=1, effect=-n / 10, low=-9, high=9) for n in range(MAX_UNITS)]
    known = UnitEffects(rows=(*effects("x").rows, *many), analysed=9)
    driven = Driven([], [])
    tool = TOOLS["unit_effects"]
    text = drive(tool.run(CAUSE, tool.Arguments()), {AskUnitEffects: known}, driven)
    lines = text.splitlines()[2:-1]
    assert len(lines) == MAX_UNITS
    assert "gate:sigmoid" in lines[0]
    assert "norm:u0:" not in text
    assert f"norm:u{MAX_UNITS - 1}:" in lines[-1]


def test_an_experiment_that_is_not_there_is_named() -> None:
    """The model may ask for another one."""
    with pytest.raises(ValueError, match="there is no experiment e0777"):
        call("show_experiment", experiment="e0777")


@pytest.mark.parametrize("value", ["../secrets", "e0001; drop", "", "lab.events.>"])
def test_an_id_is_an_id(value: str) -> None:
    """Nothing else reaches memory."""
    with pytest.raises(ValidationError):
        TOOLS["show_experiment"].Arguments.model_validate({"experiment": value})


@pytest.mark.parametrize("name", CALLS)
def test_no_text_changes_the_blocks_of_a_tools_answer(name: str) -> None:
    """Edges are the same in the same order, and no character is hidden, for every hostile text."""
    expected = EDGE.findall(call(name)[0])
    for text in TEXTS:
        answer, _ = call(name, text)
        assert EDGE.findall(answer) == expected, text
        assert not hidden_characters(answer), text
