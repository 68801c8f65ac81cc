"""Where a model is reached and how it is asked: one record for each model of each agent, made from the settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

ModelLibrary = Literal["autogen", "agent-framework"]
"""A library that talks to models."""
LIBRARIES: tuple[ModelLibrary, ...] = get_args(ModelLibrary)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at an OpenAI-compatible endpoint, with the limits of its requests."""

    base_url: str
    """Root of the OpenAI-compatible interface, such as `https://api.example.org/v1`; a query is sent along."""
    model: str
    """Name of the model at that endpoint."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty if the endpoint needs none."""
    timeout_s: float = 120.0
    """Seconds that one request may take."""
    retries: int = 2
    """Further requests for one answer: after a transient failure, or to correct an answer that can't be used."""
    retry_delay_s: float = 1.0
    """Seconds before the first retry, doubled with each."""
    temperature: float | None = None
    """Sampling temperature; None leaves it to the endpoint."""
    max_tokens: int | None = None
    """Tokens that an answer may have; None leaves it to the endpoint."""
    reasoning_effort: str | None = None
    """How much a reasoning model is to think, such as `low`; None leaves it to the endpoint."""
    concurrency: int = 8
    """Requests under way at once in one process; 1 for a server with one slot."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further HTTP headers, never logged."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of a request's body, such as `top_k`."""
    library: ModelLibrary = "autogen"
    """Library that talks to it."""

    @property
    def host(self) -> str:
        """Host and port, for people."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""

    @property
    def place(self) -> tuple[str, str]:
        """What the abilities of a model are remembered under."""
        return self.base_url, self.model

    def key(self) -> str:
        """Return the key, or an empty text if none is needed.

        Raises ValueError if the address is no HTTP URL or the variable of the key is not set.
        """
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                f"the model's base_url is no HTTP URL ({self.base_url!r}); hint: begin it with http:// or https://"
            )
        if not self.api_key_env:
            return ""
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ValueError(
                f"the environment variable {self.api_key_env} is not set; hint: set it to the model's API key"
            )
        return key
