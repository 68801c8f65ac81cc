"""The adapter: an AssistantAgent of AutoGen for each conversation, which keeps what was said and runs the tools."""

import json
from collections.abc import Mapping
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, UserMessage
from autogen_core.tools import BaseTool
from typing_extensions import override

from agents.llm.abilities import Abilities
from agents.llm.autogen.governed_client import GovernedClient
from agents.llm.autogen.openai_client import openai_client
from agents.llm.conversation import ANSWER_NOW, MAX_TOOL_ROUNDS, Briefing, OfferedTool, tool_limit
from agents.llm.endpoint import Endpoint
from agents.llm.http_bodies import bodies_of_request
from agents.llm.reply_facts import facts_of
from agents.llm.request_parts import ONE_WORD
from agents.llm.sending import Sender


class AutoGenAdapter:
    """Talks to one endpoint through AutoGen."""

    def __init__(self, endpoint: Endpoint, client: ChatCompletionClient | None = None) -> None:
        """Use AutoGen's client for the endpoint, or `client`, such as a ReplayChatCompletionClient.

        Raises ValueError for an unusable address or a key that is not set.
        """
        self._client = client or openai_client(endpoint)

    def converse(self, briefing: Briefing, sender: Sender) -> "AutoGenConversation":
        """Begin a conversation."""
        return AutoGenConversation(briefing, GovernedClient(self._client, briefing, sender))

    async def say_one_word(self, sender: Sender) -> None:
        """Ask for one token. Raises RequestFailed."""

        async def request(abilities: Abilities) -> None:
            bodies = bodies_of_request()
            limit = {abilities.limit: 1} if abilities.limit else {}
            try:
                await self._client.create([UserMessage(content="Say yes.", source="user")], extra_create_args=limit)
            except Exception:
                if not (bodies and facts_of(bodies[-1]).has_choice):
                    raise

        await sender.send(ONE_WORD, request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class AutoGenConversation:
    """A conversation that an AssistantAgent keeps."""

    def __init__(self, briefing: Briefing, client: GovernedClient) -> None:
        """Begin it without a request."""
        self._client = client
        self._agent = AssistantAgent(
            name=briefing.schema.__name__.lower(),
            model_client=client,
            system_message=briefing.instructions,
            tools=[_AutoGenTool(offered) for offered in briefing.tools],
            max_tool_iterations=MAX_TOOL_ROUNDS,
        )

    async def say(self, text: str) -> str:
        """Return the model's text in reply. Raises RequestFailed."""
        answer = await self._run(text)
        if answer is None:
            self._client.lets_call = False
            answer = await self._run(ANSWER_NOW)
        if answer is None:
            raise tool_limit()
        return answer

    async def _run(self, text: str) -> str | None:
        """Return the model's text, None if its last message calls tools."""
        last = (await self._agent.run(task=text)).messages[-1]
        return last.content if isinstance(last, TextMessage) else None


class _AutoGenTool(BaseTool[Any, Any]):
    """A tool in AutoGen's terms. The tool checks its arguments itself, so that the model reads what is wrong."""

    def __init__(self, offered: OfferedTool) -> None:
        tool = offered.tool
        super().__init__(tool.Arguments, str, tool.name, tool.description)
        self._call = offered.call

    @override
    async def run(self, args: Any, cancellation_token: CancellationToken) -> str:
        return await self._call(args.model_dump_json())

    @override
    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> str:
        return await self._call(json.dumps(args))
