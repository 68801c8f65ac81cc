"""Keeps the body of each HTTP reply: libraries of models drop what an unusual endpoint puts there."""

from contextvars import ContextVar
from typing import Any

from agents.llm.endpoint import Endpoint

_bodies: ContextVar[list[bytes]] = ContextVar("_bodies")
"""Where the bodies of the replies to the request under way are kept."""


def http_client(endpoint: Endpoint) -> Any:
    """Return an HTTP client of the OpenAI package that keeps the bodies of replies."""
    from openai import DefaultAsyncHttpxClient

    return DefaultAsyncHttpxClient(event_hooks={"response": [_keep_body]}, timeout=endpoint.timeout_s)


async def _keep_body(response: Any) -> None:
    """Keep the body of a reply for the request that it belongs to."""
    await response.aread()
    if (bodies := _bodies.get(None)) is not None:
        bodies.append(response.content)


def bodies_of_request() -> list[bytes]:
    """Return the list that gets the body of each reply to the request that this task makes next."""
    bodies: list[bytes] = []
    _bodies.set(bodies)
    return bodies
