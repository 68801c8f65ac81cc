"""A model client of AutoGen whose every request goes through a sender.

So a request has the parts that the endpoint accepts, and is retried and counted. AutoGen's own structured output is not
used, since it loses an answer that is not exactly the JSON that was asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, ModelInfo, RequestUsage
from autogen_core.tools import Tool, ToolSchema
from typing_extensions import override

from agents.llm.abilities import Abilities
from agents.llm.autogen.openai_client import MODEL_INFO
from agents.llm.autogen.request_messages import request_messages
from agents.llm.conversation import Briefing
from agents.llm.http_bodies import bodies_of_request
from agents.llm.reply_facts import ReplyFacts, facts_of
from agents.llm.request_parts import request_arguments, request_parts
from agents.llm.sending import Sender

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

UNREADABLE_ARGUMENTS = '"arguments that can\'t be read"'
"""Stands for the arguments of a call that Python can't read: a text, which every tool refuses."""


class GovernedClient(ChatCompletionClient):
    """A model client of AutoGen whose requests go through a sender."""

    def __init__(self, client: ChatCompletionClient, briefing: Briefing, sender: Sender) -> None:
        """Send requests of one conversation with `client`."""
        self._client, self._briefing, self._sender = client, briefing, sender
        self.lets_call = True
        """Whether the model may still call tools."""

    @override
    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Any = "auto",
        json_output: Any = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Make a request, and as many further ones as the sender sees fit. Raises RequestFailed."""
        parts = request_parts(self._sender.endpoint, tools=bool(tools))

        async def request(abilities: Abilities) -> CreateResult:
            return await self._request(messages, tools if abilities.tools else (), abilities, cancellation_token)

        return await self._sender.send(parts, request)

    async def _request(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        abilities: Abilities,
        cancellation_token: CancellationToken | None,
    ) -> CreateResult:
        """Make one request and return its result, with the facts of its body counted."""
        bodies = bodies_of_request()
        try:
            result = await self._client.create(
                request_messages(messages, self._briefing, abilities),
                tools=tools,
                tool_choice="auto" if self.lets_call else "none",
                extra_create_args=request_arguments(self._sender.endpoint, self._briefing, abilities),
                cancellation_token=cancellation_token,
            )
        except Exception:
            if (rescued := self._rescued(bodies)) is None:
                raise
            return rescued
        facts = facts_of(bodies[-1]) if bodies else _facts_of_result(result)
        self._sender.meter.count(facts)
        return _as_answer(result, facts, tools)

    def _rescued(self, bodies: Sequence[bytes]) -> CreateResult | None:
        """Return what a body says that the libraries could not read; None if it says nothing."""
        facts = facts_of(bodies[-1]) if bodies else ReplyFacts()
        if not facts.has_choice:
            return None
        self._sender.meter.count(facts)
        usage = RequestUsage(prompt_tokens=facts.tokens_in, completion_tokens=facts.tokens_out)
        return CreateResult(finish_reason="unknown", content=facts.text, usage=usage, cached=False)

    @override
    def create_stream(self, *args: Any, **kwargs: Any) -> "AsyncGenerator[str | CreateResult, None]":
        """Refuse, since answers are read whole; the library's interface has the method. Raises RuntimeError."""
        raise RuntimeError("answers are read whole; none is streamed")

    @override
    async def close(self) -> None:
        """Leave the connections open: they are the adapter's."""

    @override
    def actual_usage(self) -> RequestUsage:
        return self._client.actual_usage()

    @override
    def total_usage(self) -> RequestUsage:
        return self._client.total_usage()

    @override
    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._client.count_tokens(messages, tools=tools)

    @override
    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return self._client.remaining_tokens(messages, tools=tools)

    @property
    @override
    def capabilities(self) -> Any:
        return MODEL_INFO

    @property
    @override
    def model_info(self) -> ModelInfo:
        return MODEL_INFO


def _as_answer(result: CreateResult, facts: ReplyFacts, tools: Sequence[Tool | ToolSchema]) -> CreateResult:
    """Return a result whose content is the answer's text, unless it calls tools that were offered.

    Some models answer with a call of a tool that there is not, whose arguments are the answer.
    """
    if isinstance(result.content, str):
        content = result.content or facts.text
    else:
        names = {tool["name"] if isinstance(tool, dict) else tool.name for tool in tools}
        if any(call.name in names for call in result.content):
            return result.model_copy(update={"content": [_readable(call) for call in result.content]})
        content = _arguments_of(result.content)
    return result.model_copy(update={"content": content, "thought": None})


def _readable(call: FunctionCall) -> FunctionCall:
    """Return a call whose arguments AutoGen can read, or tells the model that it can't.

    It does so for a JSONDecodeError alone. After any other error, such as of 100,000 brackets or of a number with 5,000
    digits, it waits for the end of the calls for ever.
    """
    try:
        json.loads(call.arguments)
    except json.JSONDecodeError:
        return call
    except (ValueError, RecursionError):
        return replace(call, arguments=UNREADABLE_ARGUMENTS)
    return call


def _arguments_of(calls: Sequence[FunctionCall]) -> str:
    return calls[-1].arguments if calls else ""


def _facts_of_result(result: CreateResult) -> ReplyFacts:
    """Return the facts of a result that has no HTTP body, as a recorded one."""
    return ReplyFacts(
        text=result.content if isinstance(result.content, str) else "",
        reasoning=result.thought or "",
        cut_off=result.finish_reason == "length",
        has_choice=True,
        tokens_in=result.usage.prompt_tokens,
        tokens_out=result.usage.completion_tokens,
    )
