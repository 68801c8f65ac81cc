"""What a campaign's models will take, roughly, before it starts: so that a person can set a limit in time."""

from collections.abc import Sequence

from agents.llm.model import WeightedEndpoint
from lab.runtime import models
from lab.settings import Settings

QUESTIONS = {"researcher": 1.5, "engineer": 0.5, "analyst": 1.0, "judge": 1.0, "summariser": 0.1}
"""Agent → questions for each experiment; ideas that are rejected and repairs are why these are no whole numbers."""
TOKENS_IN, TOKENS_OUT = 6_000, 2_000
"""Tokens of a question's prompts and of its answer, roughly: a source with its parent and the facts."""


def estimate(settings: Settings) -> str:
    """Return one line about what the models will take; empty without models."""
    found = models.choices(settings.llm)
    if not found:
        return ""
    questions = {agent: QUESTIONS[agent] * settings.experiments for agent in found}
    total = sum(questions.values())
    costs = [_cost(found[agent]) for agent in found]
    priced = all(cost is not None for cost in costs)
    cost = sum((cost or 0.0) * count for cost, count in zip(costs, questions.values(), strict=True))
    names = ", ".join(dict.fromkeys(one.endpoint.model for several in found.values() for one in several))
    price = f", cost {cost:.2g}" if priced else ", cost unknown without [llm.prices]"
    return f"models: {names}; about {total:.0f} questions, {total * (TOKENS_IN + TOKENS_OUT):,.0f} tokens{price}"


def _cost(several: Sequence[WeightedEndpoint]) -> float | None:
    """Return the cost of one question, by the weights of the models; None if one has no price."""
    weights = sum(one.weight for one in several)
    costs = [(one.weight / weights) * one.price.cost(TOKENS_IN, TOKENS_OUT) for one in several if one.price]
    return sum(costs) if len(costs) == len(several) else None
