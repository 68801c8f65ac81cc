"""The seam to a library of language models: a conversation that keeps what was said and lets the model call tools.

An adapter turns a request into the library's terms and back. Everything else is the same for all: what an endpoint
accepts, retries and limits (`agents.llm.sending`), reading (`agents.llm.reading`), counting (`agents.llm.metering`).
`tests/agents/test_model_adapters.py` is what every adapter has to pass.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from agents.llm.faults import RequestFailed, RequestFault
from agents.llm.sending import Sender
from agents.llm.tools.tool import Tool

MAX_TOOL_ROUNDS = 6
"""Times that a model may call tools, several at once, before it has to answer."""
ANSWER_NOW = "You can call no further tool. Give your answer now."
"""What the lab tells a model after them."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that a model may call in one conversation."""

    tool: Tool
    call: Callable[[str], Awaitable[str]]
    """Returns the tool's text for arguments that the model wrote as JSON; it never raises for the model's mistakes."""


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a conversation begins with."""

    instructions: str
    """The system message."""
    schema: type[BaseModel]
    """The form of the answer."""
    tools: Sequence[OfferedTool] = ()


class ModelConversation(Protocol):
    """A conversation with a model."""

    async def say(self, text: str) -> str:
        """Return the model's text in reply to a user's message, after its calls of tools. Raises RequestFailed."""
        ...


class Adapter(Protocol):
    """A library that talks to a model at one endpoint."""

    def converse(self, briefing: Briefing, sender: Sender) -> ModelConversation:
        """Begin a conversation whose every request goes through the sender."""
        ...

    async def say_one_word(self, sender: Sender) -> None:
        """Make the shortest request there is, to find out whether the model answers at all. Raises RequestFailed."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


def tool_limit() -> RequestFailed:
    """Return the failure of a model that calls tools even after it was told to answer."""
    return RequestFailed(RequestFault("tool_limit", f"the model called tools {MAX_TOOL_ROUNDS} times and more"))
