"""What every adapter to a library of models has to do: converse, offer tools, and send each request through the sender.

The suite runs over AutoGen and over Agent Framework with an endpoint, and over AutoGen with its
ReplayChatCompletionClient.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from agents.llm.adapters import adapter_for
from agents.llm.autogen.adapter import AutoGenAdapter
from agents.llm.autogen.openai_client import MODEL_INFO
from agents.llm.breaker import CircuitBreaker
from agents.llm.conversation import MAX_TOOL_ROUNDS, Adapter, Briefing, OfferedTool
from agents.llm.endpoint import LIBRARIES, Endpoint, ModelLibrary
from agents.llm.faults import RequestFailed
from agents.llm.metering import AnswerMeter
from agents.llm.model import ModelClient
from agents.llm.schemas import Answer
from agents.llm.sending import EndpointState, Sender
from agents.llm.tools import TOOLS
from agents.llm.tools.offering import MAX_TOOL_CALLS, MAX_TOOL_CHARACTERS, NO_FURTHER_CALL
from bus.delivery.role import Subdecision
from bus.vocabulary.events import HumanMessage, Record
from bus.vocabulary.queries import AskExperiments, Experiments
from bus.vocabulary.questions import Completion, CompletionReply, Question
from bus.wire.envelope import Envelope
from tests.support.decisions import envelope_of
from tests.support.factories import experiment
from tests.support.imitated_endpoints import JSON, message, said

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

ENDPOINT = Endpoint("http://127.0.0.1:9/v1", "m", retries=0)
Turn = str | tuple[str, str]
"""A text of the model, or a tool that it calls with its arguments as JSON."""
AdapterOf = Callable[[Sequence[Turn]], Adapter]


class NameArguments(BaseModel):
    """Arguments of the tool below."""

    id: str
    """An experiment."""


class NameOfExperiment:
    """Returns the name of an experiment."""

    name: ClassVar[str] = "name_of_experiment"
    description: ClassVar[str] = "The name of an experiment."
    Arguments: ClassVar[type[BaseModel]] = NameArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Ask memory."""
        found: Experiments = yield AskExperiments(campaign=envelope.campaign, ids=(arguments.id,))
        return found.rows[0].name


CALL = (NameOfExperiment.name, '{"id": "e0001"}')
UNREADABLE = {"brackets": "[" * 100_000, "digits": f'{{"id": {"1" * 5_000}}}', "half": '{"id": "e00'}
"""Arguments that Python's json can't read, each for another reason."""


def play(model: "ScriptedModel", turns: Sequence[Turn]) -> None:
    """Let an endpoint take these turns."""
    for number, turn in enumerate(turns):
        if isinstance(turn, str):
            model.script.append(said(turn))
        else:
            function = {"name": turn[0], "arguments": turn[1]}
            call = {"id": f"c{number}", "type": "function", "function": function}
            model.script.append(message(tool_calls=[call], finish="tool_calls"))


def over_http(library: ModelLibrary, model: "ScriptedModel", turns: Sequence[Turn]) -> Adapter:
    """Return an adapter of a library whose endpoint takes these turns."""
    play(model, turns)
    return adapter_for(Endpoint(model.url, "m", retries=0, library=library))


def replayed(turns: Sequence[Turn]) -> AutoGenAdapter:
    """Return an adapter that replays these turns."""
    usage = RequestUsage(prompt_tokens=11, completion_tokens=7)
    results = [
        turn
        if isinstance(turn, str)
        else CreateResult(
            finish_reason="function_calls",
            content=[FunctionCall(id=f"c{number}", name=turn[0], arguments=turn[1])],
            usage=usage,
            cached=False,
        )
        for number, turn in enumerate(turns)
    ]
    return AutoGenAdapter(ENDPOINT, ReplayChatCompletionClient(results, MODEL_INFO))


@pytest.fixture(params=[*LIBRARIES, "replay"])
def adapter_of(request: pytest.FixtureRequest, scripted_model: "ScriptedModel") -> AdapterOf:
    """Return a function that makes an adapter whose model takes given turns."""
    if request.param == "replay":
        return replayed
    require(request.param)
    return lambda turns: over_http(request.param, scripted_model, turns)


def require(library: ModelLibrary) -> None:
    """Skip a test if a library is not installed."""
    pytest.importorskip("agent_framework.openai" if library == "agent-framework" else "autogen_agentchat")


def sender(meter: AnswerMeter) -> Sender:
    """Return a sender that permits everything."""

    async def permit(_: AnswerMeter) -> str:
        return ""

    return Sender(ENDPOINT, EndpointState(asyncio.Semaphore(1), CircuitBreaker()), meter, permit)


async def talk(adapter: Adapter, *texts: str, calls: list[str] | None = None) -> tuple[list[str], AnswerMeter]:
    """Return what a model says to each text, and what that took; `calls` collects the arguments of calls."""

    async def call(arguments: str) -> str:
        assert calls is not None
        calls.append(arguments)
        return "two-clocks"

    tools = () if calls is None else (OfferedTool(NameOfExperiment(), call),)
    meter = AnswerMeter("m", "localhost", "", "")
    conversation = adapter.converse(Briefing("You answer.", Answer, tools), sender(meter))
    try:
        return [await conversation.say(text) for text in texts], meter
    finally:
        await adapter.close()


async def test_a_conversation_goes_on(adapter_of: AdapterOf) -> None:
    """Each message has its reply, and every request is counted."""
    heard, meter = await talk(adapter_of(["one", "two"]), "First?", "Second?")
    assert heard == ["one", "two"]
    assert (meter.requests, meter.form) == (2, "json_schema")
    assert meter.tokens_out > 0


async def test_a_tool_is_called_and_its_text_comes_back(adapter_of: AdapterOf) -> None:
    """The model then answers."""
    calls: list[str] = []
    heard, meter = await talk(adapter_of([CALL, JSON]), "How?", calls=calls)
    assert (heard, calls) == ([JSON], ['{"id": "e0001"}'])
    assert meter.requests == 2


async def test_a_call_of_no_tool_is_the_answer(adapter_of: AdapterOf) -> None:
    """Some models answer with a call of a function of their own."""
    heard, _ = await talk(adapter_of([("final_answer", JSON)]), "How?")
    assert heard == [JSON]


async def test_a_model_that_only_calls_tools_has_to_answer(adapter_of: AdapterOf) -> None:
    """After so many rounds, the next message demands it."""
    calls: list[str] = []
    heard, _ = await talk(adapter_of([CALL] * MAX_TOOL_ROUNDS + [JSON]), "How?", calls=calls)
    assert (heard, len(calls)) == ([JSON], MAX_TOOL_ROUNDS)


async def test_a_model_that_calls_on_gets_no_answer(adapter_of: AdapterOf) -> None:
    """The fault has a name."""
    with pytest.raises(RequestFailed) as failed:
        await talk(adapter_of([CALL] * 3 * MAX_TOOL_ROUNDS), "How?", calls=[])
    assert failed.value.fault.outcome == "tool_limit"


@pytest.mark.parametrize("arguments", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_call_that_can_not_be_read_ends(adapter_of: AdapterOf, arguments: str) -> None:
    """The model hears of it and answers."""
    async with asyncio.timeout(20):
        heard, _ = await talk(adapter_of([(NameOfExperiment.name, arguments), JSON]), "How?", calls=[])
    assert heard == [JSON]


async def reply_with_a_tool(
    model: "ScriptedModel", patch: pytest.MonkeyPatch, library: ModelLibrary, name: str
) -> CompletionReply:
    """Return the reply to a question whose tool returns this name."""
    require(library)
    patch.setitem(TOOLS, NameOfExperiment.name, NameOfExperiment())

    async def memory(_: Envelope, question: Question) -> Record:
        assert isinstance(question, AskExperiments)
        assert question.at == 40
        await asyncio.sleep(0)
        return Experiments(rows=(experiment("e0001", "analysed", val_loss=1.5, recall=0.5, name=name),))

    client = ModelClient(Endpoint(model.url, "m", library=library), answerer=memory)
    cause = envelope_of(HumanMessage(kind="ask", text="how?"), seq=40)
    question = Completion(instructions="i", prompt="p", schema_name="Answer", tools=(NameOfExperiment.name,))
    reply = await client.answer(cause, question)
    await client.close()
    assert json.loads(reply.body) == {"answer": "Well."}
    return reply


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_tools_questions_are_answered_and_its_use_is_kept(
    scripted_model: "ScriptedModel", monkeypatch: pytest.MonkeyPatch, library: ModelLibrary
) -> None:
    """The reply has each call with its arguments and its result, so that the trace has them."""
    play(scripted_model, [CALL, (NameOfExperiment.name, "{}"), JSON])
    reply = await reply_with_a_tool(scripted_model, monkeypatch, library, "two-clocks")
    assert reply.tool_uses[0].result == "two-clocks"
    assert reply.tool_uses[1].result.startswith("error: the arguments are not valid: id: Field required")
    assert scripted_model.requests[1]["messages"][-1]["content"] == "two-clocks"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("characters", "allowed"), [(10, MAX_TOOL_CALLS), (8_000, MAX_TOOL_CHARACTERS // 8_000)])
async def test_calls_of_one_message_are_bounded_too(
    scripted_model: "ScriptedModel",
    monkeypatch: pytest.MonkeyPatch,
    library: ModelLibrary,
    characters: int,
    allowed: int,
) -> None:
    """In number, and by the characters that they return; the others are refused."""
    function = {"name": CALL[0], "arguments": CALL[1]}
    calls = [{"id": f"c{number}", "type": "function", "function": function} for number in range(40)]
    scripted_model.script += [message(tool_calls=calls, finish="tool_calls"), said(JSON)]
    reply = await reply_with_a_tool(scripted_model, monkeypatch, library, "x" * characters)
    said_back = [one["content"] for one in scripted_model.requests[1]["messages"] if one["role"] == "tool"]
    assert said_back == ["x" * characters] * allowed + [NO_FURTHER_CALL] * (40 - allowed)
    assert reply.account
    assert len(reply.tool_uses) == reply.account.tool_calls == allowed
