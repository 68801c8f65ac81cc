"""The parts of a request that an endpoint may refuse, as far as it accepts them, in the terms of OpenAI's interface."""

import json
from typing import Any

from agents.llm.abilities import Abilities, RequestParts
from agents.llm.conversation import Briefing
from agents.llm.endpoint import Endpoint

ONE_WORD = RequestParts(structured=False, tools=False, temperature=False, effort=False, limit=True)
"""The parts of the shortest request."""


def request_parts(endpoint: Endpoint, *, tools: bool) -> RequestParts:
    """Return which parts a request to an endpoint has."""
    return RequestParts(
        structured=True,
        tools=tools,
        temperature=endpoint.temperature is not None,
        effort=endpoint.reasoning_effort is not None,
        limit=endpoint.max_tokens is not None,
    )


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


def form_in_words(briefing: Briefing, abilities: Abilities) -> str:
    """Return the end of the system message that asks for the form of the answer, if the request can't carry it."""
    if abilities.form == "json_schema":
        return ""
    schema = json.dumps(briefing.schema.model_json_schema())
    return f"\n\nAnswer with one JSON object and nothing else. It has to match this JSON Schema:\n{schema}"
