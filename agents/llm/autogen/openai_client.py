"""AutoGen's client of an OpenAI-compatible endpoint, which also keeps the body of each reply."""

import warnings
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from autogen_core.models import ChatCompletionClient, ModelInfo

from agents.llm.endpoint import Endpoint

MODEL_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    structured_output=True,
    family="unknown",
    multiple_system_messages=False,
)
"""What AutoGen may send; what an endpoint accepts is found out by asking."""

_bodies: ContextVar[list[bytes]] = ContextVar("_bodies")
"""Where the bodies of the replies to the request under way are kept."""


def openai_client(endpoint: Endpoint) -> ChatCompletionClient:
    """Return AutoGen's client of an OpenAI-compatible endpoint. Raises ValueError for an unusable address or key."""
    from autogen_ext.models.openai import OpenAIChatCompletionClient
    from openai import DefaultAsyncHttpxClient

    # Both warnings are about the library's own bookkeeping. They appear on every answer and repeat the answer's text.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    warnings.filterwarnings("ignore", message="Finish reason mismatch", category=UserWarning)
    warnings.filterwarnings("ignore", message="Tool call function arguments", category=UserWarning)
    key = endpoint.key()
    address = urlsplit(endpoint.base_url)
    settings: dict[str, Any] = {
        "default_query": dict(parse_qsl(address.query)),
        "http_client": DefaultAsyncHttpxClient(event_hooks={"response": [_keep_body]}, timeout=endpoint.timeout_s),
    }  # of the library below AutoGen's, whose own arguments do not list them
    return OpenAIChatCompletionClient(
        model=endpoint.model,
        base_url=address._replace(query="").geturl(),
        default_headers=dict(endpoint.headers),
        api_key=key or "none",
        model_info=MODEL_INFO,
        timeout=endpoint.timeout_s,
        max_retries=0,  # retries are counted in one place, the sender
        include_name_in_message=False,  # some endpoints refuse the field
        **settings,
    )


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
