"""Answers of language models: every one is in the log with what it took, whether a decision used it or not."""

from typing import Literal

from pydantic import Field

from bus.vocabulary.events.base import Event, Record

ModelOutcome = Literal[
    "answered",
    "empty",
    "no_json",
    "wrong_form",
    "cut_off",
    "refused",
    "bad_reply",
    "tool_limit",
    "timeout",
    "busy",
    "server_error",
    "unreachable",
    "bad_key",
    "no_model",
    "bad_request",
    "circuit_open",
    "over_budget",
    "no_endpoint",
]
"""`answered`, or why there is no answer. The answer was empty, held no JSON, held JSON of another form, was cut off at
the token limit, or was refused by the model; the reply was no completion (`bad_reply`); the model called tools until
the limit; or the endpoint gave an error. `circuit_open`, `over_budget` and `no_endpoint`: no request was made."""


class ModelLimits(Record):
    """What the language models of a campaign may take; beyond it, rules and the grammar decide."""

    cost: float | None = Field(default=None, ge=0)
    """Cost in the currency of the price table; None for no limit. The same goes for the others."""
    tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and answers together."""
    requests: int | None = Field(default=None, ge=0)
    """Requests, failed ones included."""


class ModelChoice(Record):
    """One model that an agent may ask, and how. Addresses, keys and headers are not recorded."""

    model: str
    """Name of the model."""
    weight: float = Field(default=1.0, gt=0)
    """Its share of the agent's questions, against the others' weights; the cause of a decision draws."""
    temperature: float | None = None
    """Sampling temperature; None for the endpoint's own."""
    max_tokens: int | None = None
    """Tokens that an answer may have."""
    reasoning_effort: str | None = None
    """How much a reasoning model is to think."""
    body: str = ""
    """Hash of further keys of the request; empty without any."""


class ModelAccount(Record):
    """What one answer took, failed requests included."""

    model: str = ""
    """Name of the model at the endpoint."""
    endpoint: str = ""
    """Host and port of the endpoint."""
    prompt: str = ""
    """Version of the prompt."""
    digest: str = ""
    """Hash of the instructions and the prompt as they were sent, 16 hex digits."""
    outcome: ModelOutcome = "answered"
    """How the question ended."""
    form: str = ""
    """What asked for the form of the answer: `json_schema`, `json_object` or `text`."""
    requests: int = Field(default=0, ge=0)
    """Requests that were sent."""
    retries: int = Field(default=0, ge=0)
    """Requests among them that repeated a failed one, or asked again because of the answer."""
    tool_calls: int = Field(default=0, ge=0)
    """Calls of tools."""
    tokens_in: int = Field(default=0, ge=0)
    """Tokens of the prompts, as the endpoint counts them; estimated from characters if it does not."""
    tokens_out: int = Field(default=0, ge=0)
    """Tokens that the model wrote, reasoning included; estimated like those of the prompts."""
    tokens_cached: int = Field(default=0, ge=0)
    """Tokens of the prompts that the endpoint had in its cache."""
    tokens_reasoning: int = Field(default=0, ge=0)
    """Tokens of reasoning among those that the model wrote."""
    tokens_estimated: int = Field(default=0, ge=0)
    """Tokens among those of prompts and answers that are an estimate, since the endpoint sent no count."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall seconds, waits before retries included."""
    cost: float | None = Field(default=None, ge=0)
    """Cost in the currency of the price table; None if the table has no price for the model."""


class ModelAnswered(Event):
    """A language model was asked. The trace of the same cause holds the question, the answer and the tools' results."""

    agent: str
    """Who asked: a table `[llm.<agent>]` of the settings, such as `researcher` or `judge`."""
    purpose: str
    """What the answer was for, such as `draft`."""
    account: ModelAccount
    """What it took, and how it ended."""
    why: str = ""
    """One line that says why there is no answer; empty if there is one."""
