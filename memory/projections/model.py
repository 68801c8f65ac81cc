"""Rows of the answers of language models: who asked, which model, what it took and how it ended."""

from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from bus.vocabulary.events import ModelAnswered
from memory.rows import Row, projects

_ACCOUNT = (
    "model", "endpoint", "prompt", "digest", "outcome", "form", "requests", "retries", "tool_calls", "tokens_in",
    "tokens_out", "tokens_cached", "tokens_reasoning", "seconds", "cost",
)  # fmt: skip
"""Columns that are fields of the event's account."""


@projects(ModelAnswered, **{name: attrgetter(f"account.{name}") for name in _ACCOUNT})
@dataclass(frozen=True, slots=True)
class ModelAnswerRow(Row):
    """A language model was asked; the columns are those of ModelAnswered and its account."""

    table: ClassVar[str] = "model_answers"

    agent: str
    purpose: str
    model: str
    endpoint: str
    prompt: str
    digest: str
    outcome: str
    why: str
    form: str
    requests: int
    retries: int
    tool_calls: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_reasoning: int
    seconds: float
    cost: float | None
    """In the currency of the price table; None without a price."""
