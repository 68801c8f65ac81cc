"""A tool that a model calls: typed arguments, answers as of the event, bounds, and nothing published."""

import json
from collections.abc import Generator
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from agents.design import BASELINES
from agents.llm.tools import TOOLS
from agents.llm.tools.driving import MAX_QUESTIONS, MAX_RESULT_CHARACTERS, run_tool
from agents.llm.tools.gate_allowance import NO_MORE, GateAllowance
from bus.delivery.role import Post, Subdecision
from bus.vocabulary.events import CampaignPaused, HumanMessage, Record
from bus.vocabulary.queries import AskExperiments, Experiments
from bus.vocabulary.questions import Completion, GateCheck, GateVerdict, Question
from bus.wire.envelope import Envelope
from tests.support.decisions import envelope_of
from tests.support.factories import experiment

CAUSE = envelope_of(HumanMessage(kind="ask", text="how?"), seq=40)
ROW = experiment("e0001", "analysed", val_loss=1.5, recall=0.5)


class ShowArguments(BaseModel):
    """Arguments of the tool below."""

    id: str


class ShowName:
    """Returns an experiment's name, by a question about the newest log."""

    name: ClassVar[str] = "show_name"
    description: ClassVar[str] = "The name of an experiment."
    Arguments: ClassVar[type[BaseModel]] = ShowArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Ask memory for one experiment."""
        rows: Experiments = yield AskExperiments(campaign=envelope.campaign, ids=(arguments.id,))
        if not rows.rows:
            raise ValueError(f"no experiment {arguments.id}")
        return rows.rows[0].name * 1_000


class RecordingMemory:
    """Answers with one experiment and keeps the questions."""

    def __init__(self, *rows: Any) -> None:
        self.questions: list[Question] = []
        self._rows = rows

    async def answer(self, _: Envelope, question: Question) -> Record:
        """Return the rows."""
        self.questions.append(question)
        return Experiments(rows=self._rows)


async def test_memory_is_asked_as_of_the_event_and_the_text_is_bounded() -> None:
    """Whatever position the tool asks about."""
    memory = RecordingMemory(ROW.model_copy(update={"name": "two-clocks"}))
    text = await run_tool(ShowName(), CAUSE, '{"id": "e0001"}', memory.answer)
    assert text.startswith("two-clockstwo-clocks")
    assert len(text) == MAX_RESULT_CHARACTERS
    assert [question.at for question in memory.questions if isinstance(question, AskExperiments)] == [40]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [("", "id: Field required"), ("[1]", "object"), ("{", "JSON"), ('{"id": 3}', "id: "), ('{"id": "e9"}', "no exp")],
)
async def test_a_fault_is_a_text_for_the_model(arguments: str, fault: str) -> None:
    """It says what is wrong, so that the model can call the tool again."""
    text = await run_tool(ShowName(), CAUSE, arguments, RecordingMemory().answer)
    assert text.startswith("error: ")
    assert fault in text


async def test_checks_by_the_gates_are_counted_and_end() -> None:
    """Then the tool says so; questions to memory go on."""
    asked: list[Question] = []

    async def answer(_: Envelope, question: Question) -> Record:
        asked.append(question)
        return GateVerdict(outcome="passed") if isinstance(question, GateCheck) else Experiments(rows=())

    gates = GateAllowance(answer, checks=2)
    source = json.dumps({"source": BASELINES["gla"].source})
    said = [await run_tool(TOOLS["check_source"], CAUSE, source, gates.answer) for _ in range(3)]
    assert said == [
        *["no static fault, and it passes every gate"] * 2,
        f"no static fault; the gates were not run: {NO_MORE}",
    ]
    assert (gates.used, len(asked)) == (2, 2)
    assert await gates.answer(CAUSE, AskExperiments(campaign="c")) == Experiments(rows=())


class Misbehaving(ShowName):
    """Yields one step for ever."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def run(self, envelope: Envelope, arguments: Any) -> Generator[Any, Any, str]:
        """Yield the step."""
        while True:
            yield self._step


@pytest.mark.parametrize(
    "step",
    [
        Post("campaign", CampaignPaused(by="tool")),
        Completion(instructions="i", prompt="p", schema_name="Answer"),
        AskExperiments(campaign="c"),
    ],
)
async def test_a_tool_publishes_nothing_asks_no_model_and_ends(step: Any) -> None:
    """A tool of another kind is stopped."""
    memory = RecordingMemory(ROW)
    text = await run_tool(Misbehaving(step), CAUSE, '{"id": "e0001"}', memory.answer)
    assert text.startswith("error: show_name ")
    assert len(memory.questions) <= MAX_QUESTIONS + 1
    assert all(isinstance(question, AskExperiments) for question in memory.questions)
