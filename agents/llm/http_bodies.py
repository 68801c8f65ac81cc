"""Keeps the body of each HTTP reply, and the length of each request.

Libraries of models drop what an unusual endpoint puts into a body, and tell nothing of a request without a reply.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from agents.llm.endpoint import Endpoint


@dataclass(slots=True)
class _Exchange:
    """One request, and the replies to it."""

    sent: int = 0
    """Bytes of the request's body."""
    bodies: list[bytes] = field(default_factory=list)
    """Bodies of the replies."""


_exchange: ContextVar[_Exchange | None] = ContextVar("_exchange", default=None)
"""The request under way, or the last one."""


def http_client(endpoint: Endpoint) -> Any:
    """Return an HTTP client of the OpenAI package that keeps the bodies of replies and the lengths of requests."""
    from openai import DefaultAsyncHttpxClient

    hooks = {"request": [_keep_length], "response": [_keep_body]}
    return DefaultAsyncHttpxClient(event_hooks=hooks, timeout=endpoint.timeout_s)


async def _keep_length(request: Any) -> None:
    """Keep the length of a request."""
    if exchange := _exchange.get():
        exchange.sent = int(request.headers.get("content-length", 0))


async def _keep_body(response: Any) -> None:
    """Keep the body of a reply for the request that it belongs to."""
    await response.aread()
    if exchange := _exchange.get():
        exchange.bodies.append(response.content)


def bodies_of_request() -> list[bytes]:
    """Return the list that gets the body of each reply to the request that this task makes next."""
    exchange = _Exchange()
    _exchange.set(exchange)
    return exchange.bodies


def length_of_request() -> int:
    """Return the bytes of the request that this task made last; 0 if it has sent none."""
    exchange = _exchange.get()
    return exchange.sent if exchange else 0
