"""The tools of a model: what each returns, what it asks, and that texts of others stay in their blocks."""

import re
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from agents.design import BASELINES
from agents.llm.tools import TOOLS
from agents.thinking.designing import ToolName
from bus.delivery.role import Post
from bus.vocabulary.events import ProposalRequested
from bus.vocabulary.queries import (
    AskCognition,
    AskExperiments,
    AskNeighbours,
    Cognition,
    CognitionEntry,
    Experiments,
    FailedAttempt,
    Neighbour,
    Neighbours,
    Query,
)
from tests.support.decisions import Driven, drive, envelope_of
from tests.support.factories import experiment
from tests.support.injections import GLA, PLAIN, TEXTS, hidden_characters

CAUSE = envelope_of(ProposalRequested(slot=3, arm="guided"), "e0003")
CALLS: dict[str, dict[str, str]] = {
    "search_papers": {"text": "keys interfere"},
    "similar_ideas": {"text": "two clocks"},
    "show_experiment": {"experiment": "e0001"},
    "diff": {"a": "e0001", "b": "e0002"},
    "failures_like": {"reason": "causality"},
    "check_source": {"source": GLA},
}
EDGE = re.compile(r"</?(?:paper|idea|figures|motivation|findings|source|failures?|diff)\b[^<>\n]*>|<\|[^<>|]*\|>")


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
        AskExperiments: lambda ask: Experiments(rows=tuple(row for row in rows if not ask.ids or row.id in ask.ids)),
    }


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
    """Every question is a query about the log up to the cause."""
    _, driven = call(name)
    assert all(isinstance(question, Query) and question.at == CAUSE.seq for question in driven.questions)
    assert not [step for step in driven.posts if isinstance(step, Post)]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("search_papers", '<paper from="paper">'),
        ("similar_ideas", "fitness 0.500"),
        ("show_experiment", "nats_per_byte 1.5"),
        ("diff", "-# prefer a gate"),
        ("failures_like", "gate causality: prefer a gate"),
        ("check_source", "no static fault"),
    ],
)
def test_a_tool_returns_what_was_asked_for(name: str, fact: str) -> None:
    """The lab's figures come with the words of others in blocks."""
    assert fact in call(name)[0]


def test_check_source_names_the_fault() -> None:
    """Its line too, so that the model finds it."""
    source = BASELINES["gla"].source.replace("import torch\n", "import os\n", 1)
    assert call("check_source", source=source)[0].startswith("import: line ")


def test_an_experiment_that_is_not_there_is_named() -> None:
    """The model may ask for another one."""
    with pytest.raises(ValueError, match="there is no experiment e0777"):
        call("show_experiment", experiment="e0777")


@pytest.mark.parametrize("value", ["../secrets", "e0001; drop", "", "lab.events.>"])
def test_an_id_is_an_id(value: str) -> None:
    """Nothing else reaches memory."""
    with pytest.raises(ValidationError):
        TOOLS["show_experiment"].Arguments.model_validate({"experiment": value})


@pytest.mark.parametrize("name", [name for name in CALLS if name != "check_source"])
def test_no_text_changes_the_blocks_of_a_tools_answer(name: str) -> None:
    """Edges are the same in the same order, and no character is hidden, for every hostile text."""
    expected = EDGE.findall(call(name)[0])
    for text in TEXTS:
        answer, _ = call(name, text)
        assert EDGE.findall(answer) == expected, text
        assert not hidden_characters(answer), text
