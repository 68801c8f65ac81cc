"""Whether a model is as large as the budget of its rung, so that a gain is not one of size.

A run's width is matched to the budget by the MLP, whose steps are 1.8 % of it at nano and less above: the nearest one
is within 0.9 %. A mixer that leaves no room for the MLP may exceed the budget by up to 5 %: it is trained and scored,
but it is no candidate for a discovery.
"""

MATCHED = 0.01
"""Largest distance to the budget, as a share of it."""


def is_matched(parameters: int, budget: int) -> bool:
    """Return whether a number of parameters meets a budget; also if one of them is not known (0)."""
    return not parameters or not budget or abs(parameters / budget - 1) <= MATCHED


def mismatch(parameters: int, budget: int, rung: str) -> str:
    """Return how a number of parameters misses the budget, in one sentence."""
    return (
        f"its {parameters:,} parameters at {rung} are {parameters / budget - 1:+.1%} from the budget of {budget:,}; "
        f"a claim allows {MATCHED:.0%}"
    )
