"""The worth of models: what each of an agent's models has brought a campaign, and what that took."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query


class ModelWorth(Record):
    """What one model of an agent has brought in trials that have ended.

    A trial of a researcher or an engineer is an experiment that it was asked about; of another agent, a question.
    """

    model: str
    """The model."""
    trials: int = Field(default=0, ge=0)
    """Trials that have ended."""
    successes: int = Field(default=0, ge=0)
    """Of a researcher: its own ideas with a higher fitness than their parents. Of an engineer: experiments that were
    analysed, if the model wrote the last revision by a model. Of another agent: usable answers."""
    cost: float = Field(default=0.0, ge=0)
    """Cost of the trials, as far as it is known."""
    tokens: int = Field(default=0, ge=0)
    """Tokens of prompts and answers of the trials."""
    charged: int = Field(default=0, ge=0)
    """Trials that took tokens: of an endpoint that was away, none."""
    unpriced: int = Field(default=0, ge=0)
    """Trials that took tokens without a price."""


class ModelWorths(Record):
    """The models of an agent that were asked."""

    rows: tuple[ModelWorth, ...] = ()
    """In order of the first question."""


class AskModelWorth(Query):
    """What has each model of an agent brought?"""

    name: ClassVar[str] = "model_worth"
    Reply: ClassVar[type[Record]] = ModelWorths

    agent: str
    """The agent, such as `researcher`."""
