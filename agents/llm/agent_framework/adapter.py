"""The adapter: conversations in Agent Framework's messages, over its client of OpenAI-compatible endpoints.

The loop over calls of tools is ours. The library's own validates arguments before the tool sees them, and tells the
model no more than that they are wrong; our tools say what is wrong, so that the model can mend it.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from agent_framework import (  # pyright: ignore[reportMissingImports]
    BaseChatClient,
    ChatResponse,
    Content,
    Message,
)
from agent_framework.openai import RawOpenAIChatCompletionClient  # pyright: ignore[reportMissingImports]

from agents.llm.abilities import Abilities
from agents.llm.conversation import ANSWER_NOW, MAX_TOOL_ROUNDS, Briefing, OfferedTool, tool_limit
from agents.llm.endpoint import Endpoint
from agents.llm.http_bodies import bodies_of_request, http_client
from agents.llm.reply_facts import ReplyFacts, facts_of
from agents.llm.request_parts import ONE_WORD, form_in_words, request_arguments, request_parts
from agents.llm.sending import Sender


class AgentFrameworkAdapter:
    """Talks to one endpoint through Agent Framework."""

    def __init__(self, endpoint: Endpoint, client: BaseChatClient[Any] | None = None) -> None:
        """Use the library's client for the endpoint, or `client`, such as one that replays.

        Raises ValueError for an unusable address or a key that is not set.
        """
        self._connection = None if client else _connection(endpoint)
        self._client = client or RawOpenAIChatCompletionClient(endpoint.model, async_client=self._connection)

    def converse(self, briefing: Briefing, sender: Sender) -> "AgentFrameworkConversation":
        """Begin a conversation."""
        return AgentFrameworkConversation(briefing, self._client, sender)

    async def say_one_word(self, sender: Sender) -> None:
        """Ask for one token. Raises RequestFailed."""

        async def request(abilities: Abilities) -> None:
            limit = {"extra_body": {abilities.limit: 1}} if abilities.limit else {}
            await _respond(self._client, [Message("user", ["Say yes."])], limit)

        await sender.send(ONE_WORD, request)

    async def close(self) -> None:
        """Close the connections."""
        if self._connection:
            await self._connection.close()


class AgentFrameworkConversation:
    """A conversation that keeps what was said and runs the tools."""

    def __init__(self, briefing: Briefing, client: BaseChatClient[Any], sender: Sender) -> None:
        """Begin it without a request."""
        self._briefing, self._client, self._sender = briefing, client, sender
        self._tools = {offered.tool.name: offered for offered in briefing.tools}
        self._messages: list[Message] = []

    async def say(self, text: str) -> str:
        """Return the model's text in reply. Raises RequestFailed."""
        self._messages.append(Message("user", [text]))
        for _ in range(MAX_TOOL_ROUNDS):
            answer = await self._turn(lets_call=True)
            if answer is not None:
                return answer
        self._messages.append(Message("user", [ANSWER_NOW]))
        answer = await self._turn(lets_call=False)
        if answer is None:
            raise tool_limit()
        return answer

    async def _turn(self, *, lets_call: bool) -> str | None:
        """Return the model's text, or None after its calls of tools that were offered have been made."""

        async def request(abilities: Abilities) -> tuple[ReplyFacts, list[Content]]:
            return await _respond(self._client, self._prepared(abilities), self._options(abilities, lets_call))

        facts, calls = await self._sender.send(request_parts(self._sender.endpoint, tools=bool(self._tools)), request)
        self._sender.meter.count(facts)
        offered = [call for call in calls if call.name in self._tools]
        if not offered:
            text = facts.text or (_arguments(calls[-1]) if calls else "")
            self._messages.append(Message("assistant", [text]))
            return text
        self._messages.append(Message("assistant", offered))
        for call in offered:
            result = await self._tools[call.name or ""].call(_arguments(call)) if lets_call else ANSWER_NOW
            self._messages.append(Message("tool", [Content.from_function_result(call.call_id or "", result=result)]))
        return None

    def _prepared(self, abilities: Abilities) -> list[Message]:
        """Return the messages with the instructions where the endpoint takes them."""
        system = self._briefing.instructions + form_in_words(self._briefing, abilities)
        if abilities.system:
            return [Message("system", [system]), *self._messages]
        first, *rest = self._messages
        return [Message("user", [f"{system}\n\n{first.text}"]), *rest]

    def _options(self, abilities: Abilities, lets_call: bool) -> dict[str, Any]:
        """Return the options of a request, by the names of OpenAI's interface."""
        options = request_arguments(self._sender.endpoint, self._briefing, abilities)
        if limit := options.pop("max_tokens", None):  # the library sends it under its newer name otherwise
            options["extra_body"] = options.get("extra_body", {}) | {"max_tokens": limit}
        if self._tools and abilities.tools:
            options["tools"] = [_declared(offered) for offered in self._tools.values()]
            options["tool_choice"] = "auto" if lets_call else "none"
        return options


def _connection(endpoint: Endpoint) -> Any:
    """Return a client of the OpenAI package. Raises ValueError for an unusable address or key."""
    from openai import AsyncOpenAI

    address, key = urlsplit(endpoint.base_url), endpoint.key()
    return AsyncOpenAI(
        base_url=address._replace(query="").geturl(),
        api_key=key or "none",
        default_headers=dict(endpoint.headers),
        default_query=dict(parse_qsl(address.query)),
        timeout=endpoint.timeout_s,
        max_retries=0,  # retries are counted in one place, the sender
        http_client=http_client(endpoint),
    )


async def _respond(
    client: BaseChatClient[Any], messages: Sequence[Message], options: dict[str, Any]
) -> tuple[ReplyFacts, list[Content]]:
    """Make one request; return the facts of its reply, and the model's calls of tools.

    Raises what the OpenAI package raises, which the library wraps, unless the body holds an answer all the same.
    """
    bodies = bodies_of_request()
    try:
        response = await client.get_response(messages, options=options)
    except Exception as error:  # noqa: BLE001  (the library wraps whatever went wrong)
        facts = facts_of(bodies[-1]) if bodies else ReplyFacts()
        if facts.has_choice:
            return facts, []
        raise error.__cause__ or error from None
    facts = facts_of(bodies[-1]) if bodies else _facts_of_response(response)
    contents = [content for message in response.messages for content in message.contents]
    return facts, [content for content in contents if content.type == "function_call"]


def _facts_of_response(response: ChatResponse[Any]) -> ReplyFacts:
    """Return the facts of a response that has no HTTP body, as a recorded one."""
    usage: Any = response.usage_details or {}
    return ReplyFacts(
        text=response.text,
        has_choice=True,
        tokens_in=usage.get("input_token_count") or 0,
        tokens_out=usage.get("output_token_count") or 0,
    )


def _arguments(call: Content) -> str:
    """Return the arguments of a call as JSON."""
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments or {})


def _declared(offered: OfferedTool) -> dict[str, Any]:
    """Return a tool as OpenAI's interface declares it."""
    tool = offered.tool
    parameters = tool.Arguments.model_json_schema()
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }
