"""The parts of a request that an endpoint may refuse, as far as it accepts them."""

import json
from collections.abc import Sequence
from typing import Any

from autogen_core.models import LLMMessage, SystemMessage, UserMessage

from agents.llm.abilities import Abilities
from agents.llm.conversation import Briefing
from agents.llm.endpoint import Endpoint


def request_arguments(endpoint: Endpoint, briefing: Briefing, abilities: Abilities) -> dict[str, Any]:
    """Return the further arguments of a request, by the names of the interface."""
    form: dict[str, Any] = {"type": abilities.form}
    if abilities.form == "json_schema":
        schema = briefing.schema
        form["json_schema"] = {"name": schema.__name__, "schema": schema.model_json_schema(), "strict": True}
    optional = {
        "response_format": None if abilities.form == "text" else form,
        "temperature": endpoint.temperature if abilities.temperature else None,
        "reasoning_effort": endpoint.reasoning_effort if abilities.effort else None,
        "extra_body": dict(endpoint.body) or None,
    }
    if abilities.limit:
        optional[abilities.limit] = endpoint.max_tokens
    return {name: value for name, value in optional.items() if value is not None}


def request_messages(messages: Sequence[LLMMessage], briefing: Briefing, abilities: Abilities) -> list[LLMMessage]:
    """Return the messages with the form of the answer in words, if the request can't carry it, and where it can."""
    system, rest = _split(messages)
    if abilities.form != "json_schema":
        schema = json.dumps(briefing.schema.model_json_schema())
        system += f"\n\nAnswer with one JSON object and nothing else. It has to match this JSON Schema:\n{schema}"
    if abilities.system or not rest or not isinstance(rest[0], UserMessage):
        return [SystemMessage(content=system), *rest]
    first = rest[0].model_copy(update={"content": f"{system}\n\n{rest[0].content}"})
    return [first, *rest[1:]]


def _split(messages: Sequence[LLMMessage]) -> tuple[str, list[LLMMessage]]:
    """Return the text of the system messages, and the others."""
    system = [message.content for message in messages if isinstance(message, SystemMessage)]
    return "\n".join(system), [message for message in messages if not isinstance(message, SystemMessage)]
