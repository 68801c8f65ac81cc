"""Finds out what a model at an endpoint can do, with three short requests: a word, a typed answer, a call of a tool."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel

from agents.llm.abilities import Abilities
from agents.llm.adapters import adapter_for
from agents.llm.breaker import CircuitBreaker
from agents.llm.conversation import Adapter, Briefing, OfferedTool
from agents.llm.endpoint import Endpoint
from agents.llm.faults import RequestFailed
from agents.llm.metering import AnswerMeter
from agents.llm.reading import read_answer
from agents.llm.schemas import Answer
from agents.llm.sending import EndpointState, Sender
from bus.delivery.role import Subdecision
from bus.wire.envelope import Envelope

WORD = "move37"
"""What the tool returns and the model is to repeat."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a model at an endpoint can do."""

    fault: str = ""
    """Why it can't be used; empty if it can."""
    outcome: str = "answered"
    """The code of that reason."""
    abilities: Abilities = field(default_factory=Abilities)
    """What its endpoint accepts."""
    calls_tools: bool = False
    """Whether the model called a tool that it was asked to call."""
    seconds: float = 0.0
    """Wall seconds of all requests."""
    tokens_out: int = 0
    """Tokens that it wrote."""

    def __str__(self) -> str:
        """Return the same in words."""
        if self.fault:
            return f"{self.outcome}: {self.fault}"
        tools = "calls tools" if self.calls_tools else "calls no tools"
        return f"{self.abilities}; {tools}; {self.tokens_out} tokens in {self.seconds:.1f} s"


class ProbeArguments(BaseModel):
    """No arguments."""


class ProbeTool:
    """A tool that returns a word."""

    name: ClassVar[str] = "say_word"
    description: ClassVar[str] = "Returns a word."
    Arguments: ClassVar[type[BaseModel]] = ProbeArguments

    def run(self, envelope: Envelope, arguments: Any) -> Subdecision[str]:
        """Return the word."""
        del envelope, arguments
        return WORD
        yield


async def probe(endpoint: Endpoint) -> ProbeResult:
    """Return what a model at an endpoint can do. Raises ValueError for an unusable address or key."""
    meter = AnswerMeter(endpoint.model, endpoint.host, "", "")
    state = EndpointState(asyncio.Semaphore(1), CircuitBreaker())
    adapter = adapter_for(endpoint)
    try:
        await adapter.say_one_word(_sender(endpoint, EndpointState(asyncio.Semaphore(1), CircuitBreaker()), meter))
        text = await _ask(adapter, _sender(endpoint, state, meter), meter, 'Answer with the word "yes".')
        read = read_answer(text, Answer)
        if read.answer is None:
            return ProbeResult(f"a typed answer can't be read: {read.fault}", read.outcome, state.abilities)
        await _ask(adapter, _sender(endpoint, state, meter), meter, f"Call {ProbeTool.name} and answer with its word.")
    except RequestFailed as failed:
        return ProbeResult(failed.fault.line, failed.fault.outcome, state.abilities)
    finally:
        await adapter.close()
    account = meter.account("answered")
    return ProbeResult("", "answered", state.abilities, account.tool_calls > 0, account.seconds, account.tokens_out)


async def _ask(adapter: Adapter, sender: Sender, meter: AnswerMeter, prompt: str) -> str:
    """Return what the model says in a conversation in which it may call the tool."""

    async def call(arguments: str) -> str:
        meter.keep_tool_use(ProbeTool.name, arguments, WORD)
        return WORD

    tools = (OfferedTool(ProbeTool(), call),) if ProbeTool.name in prompt else ()
    return await adapter.converse(Briefing("You answer briefly.", Answer, tools), sender).say(prompt)


def _sender(endpoint: Endpoint, state: EndpointState, meter: AnswerMeter) -> Sender:
    async def permit(_: AnswerMeter) -> str:
        return ""

    return Sender(endpoint, state, meter, permit)
