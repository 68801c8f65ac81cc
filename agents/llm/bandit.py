"""Which of several models to ask: a bandit that weighs what each has brought against what that took.

Thompson sampling on successes per unit of cost: each model's chance of success is drawn from what its trials leave
likely, and divided by what a trial of it takes. So a model that is dear and little better is asked less, and none is
given up while it may be the best. The state is memory's fold of the log (`AskModelWorth`) and the draw is seeded by the
event that is decided on: a decision that is made again asks the same model.
"""

from collections.abc import Iterable, Sequence
from random import Random

from bus.vocabulary.queries import ModelWorth


def chosen(models: Sequence[str], worths: Iterable[ModelWorth], random: Random) -> int:
    """Return the index of the model to ask; models of one name share what is known of the name."""
    known = {worth.model: worth for worth in worths}
    arms = [known.get(model) or ModelWorth(model=model) for model in models]
    yields = [
        random.betavariate(1 + arm.successes, 1 + arm.trials - arm.successes) / price
        for arm, price in zip(arms, prices(arms), strict=True)
    ]
    return max(range(len(arms)), key=yields.__getitem__)


def prices(arms: Sequence[ModelWorth]) -> list[float]:
    """Return about what a trial of each model takes: money if all of it is known, else tokens.

    A trial that took nothing, as of an endpoint that was away, is no sign of its price. The mean of the others stands
    in for one more of each model, so that a model without any has a price.
    """
    in_money = not any(arm.unpriced for arm in arms) and any(arm.cost > 0 for arm in arms)
    taken = [arm.cost if in_money else float(arm.tokens) for arm in arms]
    mean = sum(taken) / sum(arm.charged for arm in arms) if sum(taken) else 1.0
    return [(amount + mean) / (arm.charged + 1) for amount, arm in zip(taken, arms, strict=True)]
