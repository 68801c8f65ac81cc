"""Learning rates of a rung: each climber keeps the one at which its text loss on validation text is lowest.

Candidate and baselines try the same rates on the same seed, so neither side is compared at a rate that suits the other.
Sealed text has no part in the choice. What one experiment got on a rung stands for all later candidates there, as its
runs do.
"""

from collections.abc import Mapping

from agents.verification.climbs import Climb
from bus.vocabulary.events import RatesChosen, VerificationPlan
from bus.vocabulary.queries import SealedRun, Verification
from bus.wire.ids import tuning_run_id

UNTUNED = 1.0
"""The rate of a climber of which no rate has a score: the scale's own."""


def chosen_rates(
    state: Verification, plan: VerificationPlan, climb: Climb, ended: Mapping[str, SealedRun]
) -> RatesChosen:
    """Return the rates of a rung for a candidate and its baselines, whose runs have all ended."""
    rung, names = climb.step.rung, (climb.candidate, *climb.step.baselines)
    losses = {
        name: tuple(ended[tuning_run_id(name, rung, index)].loss for index in range(len(plan.rates))) for name in names
    }
    earlier = {name: rate for one in state.tuned if one.event.rung == rung for name, rate in one.event.chosen.items()}
    chosen = {name: earlier.get(name, best_rate(plan.rates, tried)) for name, tried in losses.items()}
    return RatesChosen(rung=rung, rates=plan.rates, losses=losses, chosen=chosen)


def best_rate(rates: tuple[float, ...], losses: tuple[float | None, ...]) -> float:
    """Return the rate with the lowest loss, of equal ones the first; `UNTUNED` if none has a loss."""
    scored = [(loss, index) for index, loss in enumerate(losses) if loss is not None]
    return rates[min(scored)[1]] if scored else UNTUNED
