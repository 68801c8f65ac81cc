"""A language model behind any OpenAI-compatible endpoint, asked through AutoGen; the one file that imports AutoGen.

Every `Completion` question gets a fresh AssistantAgent with a typed answer, so that no decision sees another's
conversation: the bus is the conversation. What goes wrong comes back as one line in `CompletionReply.error`, and the
decision goes on without a model. The key is read from the environment and never logged nor repeated in an error.

    client = ModelClient(Endpoint("http://127.0.0.1:8080/v1", "smollm2"))
    Actor(bus, Researcher(model=True), answerers={Completion: client.answer})
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

ERROR_CHARACTERS = 300
MAX_RETRY_DELAY_S = 30.0
"""Seconds that an endpoint's Retry-After is heeded at most."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is reached and how patiently."""

    base_url: str
    """Root of the OpenAI-compatible interface, such as `https://api.example.org/v1`."""
    model: str
    """Name of the model there."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty where none is needed."""
    seconds: float = 120.0
    """How long one request may take."""
    retries: int = 2
    """Further requests after one that failed in passing: busy, broken off, too slow, unreadable."""
    pause: float = 1.0
    """Seconds before the first retry, doubled with each."""
    temperature: float | None = None
    """Sampling temperature; None leaves it to the endpoint."""


class ModelClient:
    """Answers Completion questions."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Prepare for an endpoint without calling it. Raises ValueError for an address or key that can't be."""
        if urlsplit(endpoint.base_url).scheme not in {"http", "https"}:
            raise ValueError(f"the model's base_url must begin with http:// or https://, not {endpoint.base_url!r}")
        self._endpoint = endpoint
        self._key = _key(endpoint)
        self._client = _client(endpoint, self._key)

    async def answer(self, envelope: Envelope, question: Completion) -> CompletionReply:
        """Return the typed answer as JSON, or one line that says why there is none."""
        attempt = 0
        while True:
            begun = perf_counter()
            try:
                body, usage = await self._ask(question)
            except Exception as error:  # noqa: BLE001  whatever a library raises, the decision goes on without a model
                why = self._said(error)
                log.warning("model failed", experiment=envelope.experiment, schema=question.schema_name, why=why)
                if attempt >= self._endpoint.retries or not _passing(error):
                    return CompletionReply(error=why)
                await asyncio.sleep(self._wait(error, attempt))
                attempt += 1
                continue
            spent = {"seconds": round(perf_counter() - begun, 3), **usage}
            log.info("model answered", experiment=envelope.experiment, schema=question.schema_name, **spent)
            return CompletionReply(body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, question: Completion) -> tuple[str, dict[str, int]]:
        """Make one request; return the answer's JSON and the tokens it took."""
        from autogen_agentchat.agents import AssistantAgent
        from autogen_agentchat.messages import StructuredMessage

        agent = AssistantAgent(
            name=question.schema_name.lower(),
            model_client=self._client,
            system_message=question.instructions,
            output_content_type=SCHEMAS[question.schema_name],
        )
        async with asyncio.timeout(self._endpoint.seconds):
            result = await agent.run(task=question.prompt)
        last = result.messages[-1]
        assert isinstance(last, StructuredMessage)
        used = last.models_usage
        tokens = {"prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens} if used else {}
        return last.content.model_dump_json(), tokens

    def _said(self, error: Exception) -> str:
        """Return an error on one line, without the key even where the endpoint repeats it."""
        if isinstance(error, TimeoutError):
            return f"no answer within {self._endpoint.seconds:g} s"
        kind = "unreadable answer" if _unreadable(error) else type(error).__name__
        text = str(error).replace(self._key, "[key]") if self._key else str(error)
        return clean_line(f"{kind}: {text}", ERROR_CHARACTERS)

    def _wait(self, error: Exception, attempt: int) -> float:
        """Return the seconds to wait before the next try."""
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        try:
            asked = float(headers.get("retry-after", 0.0))
        except ValueError:
            asked = 0.0
        return min(MAX_RETRY_DELAY_S, max(asked, self._endpoint.pause * 2**attempt))


def _key(endpoint: Endpoint) -> str:
    """Return the key, empty where none is needed. Raises ValueError where the variable is not set."""
    if not endpoint.api_key_env:
        return ""
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if not key:
        raise ValueError(f"the environment variable {endpoint.api_key_env} should hold the model's key, but is not set")
    return key


def _client(endpoint: Endpoint, key: str) -> "OpenAIChatCompletionClient":
    """Return AutoGen's client; the model is described here, since the library knows only its own vendors' names."""
    from autogen_core.models import ModelInfo
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    # Both warnings speak of the library's own bookkeeping, on every answer, with the answer's text in them.
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    warnings.filterwarnings("ignore", message="Resolved model mismatch", category=UserWarning)
    described = ModelInfo(
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
        model_info=described,
        timeout=endpoint.seconds,
        max_retries=0,  # retries are counted in one place, here
        include_name_in_message=False,  # some endpoints refuse the field
        **optional,
    )


def _unreadable(error: Exception) -> bool:
    """Say whether the endpoint answered with something that is no typed answer."""
    from openai import APIResponseValidationError, LengthFinishReasonError
    from pydantic import ValidationError

    # A body without choices or content surfaces as whatever the libraries trip over.
    tripped = (AttributeError, TypeError, IndexError, json.JSONDecodeError)
    return isinstance(error, (ValidationError, APIResponseValidationError, LengthFinishReasonError, *tripped))


def _passing(error: Exception) -> bool:
    """Say whether the same request may succeed a little later."""
    from openai import APIConnectionError, InternalServerError, RateLimitError

    passing = TimeoutError | APIConnectionError | RateLimitError | InternalServerError
    return isinstance(error, passing) or _unreadable(error)
