"""Ranked children on a landscape: many designs are bred, and memory's estimator of good designs chooses one.

The estimator is that of a campaign (`memory.forecasts.parzen`), fitted to the results of the search so far. The other
model of campaigns, a Gaussian process with trees, takes a second of fitting per search, too long for thousands of them.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from agents.search.policy import Suggestion
from agents.search.space import DesignSpace
from memory.forecasts.features import Tokens, tokens
from memory.forecasts.parzen import Parzen

MIN_RESULTS = 8
"""Results without which nothing is ranked."""
Results = tuple[Sequence[Tokens], Sequence[float]]
"""Designs that were tried, and their objectives; larger is better."""


def best_child(
    suggestion: Suggestion,
    donors: Sequence[Any],
    space: DesignSpace,
    results: Results,
    is_new: Callable[[Any], bool],
    random: Random,
) -> tuple[Any, str] | None:
    """Return the new child most typical of good designs, and its operator; None without one, or too few results."""
    if len(results[0]) < MIN_RESULTS:
        return None
    children: dict[Any, str] = {}
    for turn in range(suggestion.children):
        start = turn % len(donors) if donors else 0
        led = [*donors[start:], *donors[:start]]
        variation = space.vary(led[0] if led else None, led[1:], random, suggestion.preferences)
        if is_new(variation.design):
            children.setdefault(variation.design, variation.operator)
    if not children:
        return None
    bred = list(children.items())
    ratios = Parzen(*results).ratios([tokens(space.to_json(design)) for design, _ in bred], [])
    return bred[int(ratios.argmax())]
