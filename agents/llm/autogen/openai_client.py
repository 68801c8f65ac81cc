"""AutoGen's client of an OpenAI-compatible endpoint."""

import warnings
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from autogen_core.models import ChatCompletionClient, ModelInfo

from agents.llm.endpoint import Endpoint
from agents.llm.http_bodies import http_client

MODEL_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    structured_output=True,
    family="unknown",
    multiple_system_messages=False,
)
"""What AutoGen may send; what an endpoint accepts is found out by asking."""


def openai_client(endpoint: Endpoint) -> ChatCompletionClient:
    """Return AutoGen's client of an OpenAI-compatible endpoint. Raises ValueError for an unusable address or key."""
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    # Both warnings are about the library's own bookkeeping. They appear on every answer and repeat the answer's text.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    warnings.filterwarnings("ignore", message="Finish reason mismatch", category=UserWarning)
    warnings.filterwarnings("ignore", message="Tool call function arguments", category=UserWarning)
    key = endpoint.key()
    address = urlsplit(endpoint.base_url)
    settings: dict[str, Any] = {
        "default_query": dict(parse_qsl(address.query)),
        "http_client": http_client(endpoint),
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
