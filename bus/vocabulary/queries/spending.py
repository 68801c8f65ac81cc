"""Spending: what a campaign's language models have taken so far, and what it may take."""

from typing import ClassVar, Literal

from pydantic import Field

from bus.vocabulary.events import ModelLimits, Record
from bus.vocabulary.queries.query import Query

SpendingKey = Literal["agent", "purpose", "model", "experiment"]
"""What spending is summed by."""


class SpendingRow(Record):
    """What some questions to models took together."""

    agent: str = ""
    """Who asked; empty if it is not summed by this. The same goes for the next three."""
    purpose: str = ""
    """What for, such as `draft`."""
    model: str = ""
    """The model."""
    experiment: str = ""
    """The experiment that it was about."""
    asked: int = Field(default=0, ge=0)
    """Questions."""
    answered: int = Field(default=0, ge=0)
    """Those with a usable answer."""
    requests: int = Field(default=0, ge=0)
    """Requests that were sent."""
    tool_calls: int = Field(default=0, ge=0)
    """Calls of tools."""
    tokens_in: int = Field(default=0, ge=0)
    """Tokens of prompts."""
    tokens_out: int = Field(default=0, ge=0)
    """Tokens that models wrote."""
    tokens_cached: int = Field(default=0, ge=0)
    """Tokens of prompts that were in the endpoint's cache."""
    tokens_reasoning: int = Field(default=0, ge=0)
    """Tokens of reasoning."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall seconds."""
    cost: float = Field(default=0.0, ge=0)
    """Cost of the questions that have a price."""
    unpriced: int = Field(default=0, ge=0)
    """Questions of models without a price that took tokens."""
    outcomes: dict[str, int] = {}
    """Outcome → questions that ended so (`ModelAccount.outcome`)."""
    why: str = ""
    """Why the newest question without an answer has none."""
    circuit_open: bool = False
    """Whether the newest question sent no request, since its model's circuit was open."""


class Spending(Record):
    """What the models of a campaign took."""

    rows: tuple[SpendingRow, ...] = ()
    """A row for each value of the keys, in order of the first question."""
    limits: ModelLimits | None = None
    """What the campaign may take; None for no limit."""


class AskSpending(Query):
    """What have the campaign's language models taken?"""

    name: ClassVar[str] = "spending"
    Reply: ClassVar[type[Record]] = Spending

    by: tuple[SpendingKey, ...] = ("agent",)
    """What to sum by; one row for everything without any."""
