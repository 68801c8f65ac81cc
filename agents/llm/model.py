"""A language model behind any OpenAI-compatible endpoint, asked through AutoGen; the one file that imports AutoGen.

Every `Completion` question gets a new AssistantAgent with a typed answer, so no decision sees another's conversation.
A failure comes back as one line in `CompletionReply.error`, and the decision continues without a model. The key is read
from the environment. No log line and no error contains it.

    client = ModelClient(Endpoint("http://127.0.0.1:8080/v1", "smollm2"))
    Actor(bus, Researcher(ResearcherSettings(model=True)), answerers={Completion: client.answer})
"""

import asyncio
import json
import os
import warnings
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from agents.llm.schemas import SCHEMAS
from bus.vocabulary.questions import Completion, CompletionReply
from bus.wire.envelope import Envelope
from bus.wire.plain_text import clean_line

if TYPE_CHECKING:
    from autogen_ext.models.openai import OpenAIChatCompletionClient

MAX_ERROR_CHARACTERS = 300
"""Length of `CompletionReply.error`."""
MAX_RETRY_DELAY_S = 30.0
"""Longest wait before a retry, even if the endpoint's Retry-After asks for more."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached, how long an answer may take and how often a request is repeated."""

    base_url: str
    """Root of the OpenAI-compatible interface, such as `https://api.example.org/v1`."""
    model: str
    """Name of the model at that endpoint."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty if the endpoint needs none."""
    timeout_s: float = 120.0
    """Seconds that one request may take."""
    retries: int = 2
    """Further requests after a transient failure: endpoint busy, connection lost, timeout, unreadable answer."""
    retry_delay_s: float = 1.0
    """Seconds before the first retry, doubled with each."""
    temperature: float | None = None
    """Sampling temperature; None leaves it to the endpoint."""


class ModelClient:
    """Answers Completion questions."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Prepare for an endpoint without calling it.

        Raises ValueError if its address is no HTTP URL or the variable of its key is not set.
        """
        if urlsplit(endpoint.base_url).scheme not in {"http", "https"}:
            raise ValueError(
                f"the model's base_url is no HTTP URL ({endpoint.base_url!r}); hint: begin it with http:// or https://"
            )
        self._endpoint = endpoint
        self._key = _read_key(endpoint)
        self._client = _autogen_client(endpoint, self._key)

    async def answer(self, envelope: Envelope, question: Completion) -> CompletionReply:
        """Return the typed answer as JSON, or one line that says why there is none."""
        attempt = 0
        while True:
            start = perf_counter()
            try:
                body, tokens = await self._ask(question)
            except Exception as error:  # noqa: BLE001  whatever a library raises, the decision continues without a model
                line = self._error_line(error)
                log.warning("model failed", experiment=envelope.experiment, schema=question.schema_name, why=line)
                if attempt >= self._endpoint.retries or not _is_transient(error):
                    return CompletionReply(error=line)
                await asyncio.sleep(self._retry_delay_s(error, attempt))
                attempt += 1
                continue
            cost = {"seconds": round(perf_counter() - start, 3), **tokens}
            log.info("model answered", experiment=envelope.experiment, schema=question.schema_name, **cost)
            return CompletionReply(body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, question: Completion) -> tuple[str, dict[str, int]]:
        """Make one request; return the answer's JSON and the numbers of tokens that it took."""
        from autogen_agentchat.agents import AssistantAgent
        from autogen_agentchat.messages import StructuredMessage

        agent = AssistantAgent(
            name=question.schema_name.lower(),
            model_client=self._client,
            system_message=question.instructions,
            output_content_type=SCHEMAS[question.schema_name],
        )
        async with asyncio.timeout(self._endpoint.timeout_s):
            result = await agent.run(task=question.prompt)
        last = result.messages[-1]
        assert isinstance(last, StructuredMessage)
        usage = last.models_usage
        tokens = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else {}
        return last.content.model_dump_json(), tokens

    def _error_line(self, error: Exception) -> str:
        """Return an error on one line, without the key even if the endpoint repeats it."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._endpoint.timeout_s:g} s"
        kind = "unreadable answer" if _is_unreadable(error) else type(error).__name__
        text = str(error).replace(self._key, "[key]") if self._key else str(error)
        return clean_line(f"{kind}: {text}", MAX_ERROR_CHARACTERS)

    def _retry_delay_s(self, error: Exception, attempt: int) -> float:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        try:
            retry_after = float(headers.get("retry-after", 0.0))
        except ValueError:
            retry_after = 0.0
        return min(MAX_RETRY_DELAY_S, max(retry_after, self._endpoint.retry_delay_s * 2**attempt))


def _read_key(endpoint: Endpoint) -> str:
    """Return the key, or an empty text if none is needed. Raises ValueError if the variable is not set."""
    if not endpoint.api_key_env:
        return ""
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if not key:
        raise ValueError(
            f"the environment variable {endpoint.api_key_env} is not set; hint: set it to the model's API key"
        )
    return key


def _autogen_client(endpoint: Endpoint, key: str) -> "OpenAIChatCompletionClient":
    """Return AutoGen's client, with a description of the model: the library knows only the models of its vendors."""
    from autogen_core.models import ModelInfo
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    # Both warnings are about the library's own bookkeeping. They appear on every answer and repeat the answer's text.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    model_info = ModelInfo(
        vision=False,
        function_calling=False,
        json_output=True,
        structured_output=True,
        family="unknown",
        multiple_system_messages=False,
    )
    optional: dict[str, Any] = {} if endpoint.temperature is None else {"temperature": endpoint.temperature}
    return OpenAIChatCompletionClient(
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key=key or "none",
        model_info=model_info,
        timeout=endpoint.timeout_s,
        max_retries=0,  # retries are counted in one place, here
        include_name_in_message=False,  # some endpoints refuse the field
        **optional,
    )


def _is_unreadable(error: Exception) -> bool:
    """Return whether the endpoint answered with something that is no typed answer."""
    from openai import APIResponseValidationError, LengthFinishReasonError
    from pydantic import ValidationError

    # The libraries do not check for a body without choices or content; they raise one of these.
    unchecked = (AttributeError, TypeError, IndexError, json.JSONDecodeError)
    return isinstance(error, (ValidationError, APIResponseValidationError, LengthFinishReasonError, *unchecked))


def _is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a little later."""
    from openai import APIConnectionError, InternalServerError, RateLimitError

    transient = TimeoutError | APIConnectionError | RateLimitError | InternalServerError
    return isinstance(error, transient) or _is_unreadable(error)
