"""The verification plan of a campaign: the settings of `[verification]` over what the campaign's budget allows.

The budget is a share of the screening's own cost. A run costs its scale's typical seconds or, where nobody has measured
them, training tokens times parameters. A plan is sized for the worst case: every place is taken, every candidate climbs
as high as places allow, and no look ends a climb early. A placebo counts at the lowest rung alone: that it passes has
at most the chance alpha.
"""

from collections.abc import Iterable
from itertools import pairwise, product

from pydantic import ValidationError

from bus.vocabulary.events import Limits, Rung, VerificationPlan
from lab.errors import LabError
from lab.settings import Settings
from trainer import scales
from trainer.scales import Scale

CANDIDATES = (8, 4, 2, 1)
"""Numbers of candidates that a derived plan may have."""
RATES = (0.5, 1.0, 2.0, 4.0)
"""Multiples of a scale's learning rates that a derived plan may try."""
LOOKS = ((5, 10, 20), (5, 10), (5,))
"""Looks that a derived plan may have. More seeds come before more candidates: a claim without power is wasted."""


def verification_plan(settings: Settings) -> VerificationPlan | None:
    """Return the plan of a campaign; None if nothing is to be verified, or the budget is too small. Raises LabError."""
    wanted = settings.verification
    if wanted.candidates == 0 or not settings.experiments:
        return None
    numbers = (wanted.candidates,) if wanted.candidates else CANDIDATES
    looks = (wanted.looks,) if wanted.looks else LOOKS
    plans = [_plan(settings, number, one) for one, number in product(looks, numbers)]
    smallest = plans[-1] if wanted.candidates else None
    plan = next((plan for plan in plans if added_share(plan, settings) <= wanted.share), smallest)
    return plan and _with_placebos(_with_rates(plan, settings), settings)


def is_plan_of(settings: Settings, fixed: VerificationPlan | None) -> bool:
    """Tell whether settings lead to a plan that a campaign has fixed.

    What no setting says is the campaign's: its budgets of parameters, who ascends and, if they are not given, its
    learning rates and its placebos.
    """
    wanted = verification_plan(settings)
    if wanted and fixed and len(wanted.rungs) == len(fixed.rungs):
        rungs = tuple(
            mine.model_copy(update={"parameters": theirs.parameters})
            for mine, theirs in zip(wanted.rungs, fixed.rungs, strict=True)
        )
        unsaid = {name for name in ("rates", "placebos") if getattr(settings.verification, name) is None}
        wanted = wanted.model_copy(update={"rungs": rungs, **fixed.model_dump(include={*unsaid, "ascent"})})
    return wanted == fixed


def _with_rates(plan: VerificationPlan, settings: Settings) -> VerificationPlan:
    """Return a plan with the learning rates that were asked for, by default `RATES` if the share allows them."""
    wanted = settings.verification
    more = plan.model_copy(update={"rates": RATES if wanted.rates is None else wanted.rates})
    return more if wanted.rates is not None or added_share(more, settings) <= wanted.share else plan


def _with_placebos(plan: VerificationPlan, settings: Settings) -> VerificationPlan:
    """Return a plan with the placebos that were asked for, by default one if the share allows it."""
    wanted = settings.verification
    more = plan.model_copy(update={"placebos": 1 if wanted.placebos is None else wanted.placebos})
    return more if wanted.placebos is not None or added_share(more, settings) <= wanted.share else plan


def added_share(plan: VerificationPlan, settings: Settings) -> float:
    """Return the most work that a plan adds, as a share of the screening's."""
    costs = _costs([settings.scale, *(rung.scale for rung in plan.rungs)])
    lowest = plan.rungs[0]
    runs = [len(plan.rates) + rung.looks[-1] for rung in plan.rungs]
    ladder = zip(plan.rungs, runs, strict=True)
    work = sum((rung.climbers + plan.baselines) * own * costs[rung.scale] for rung, own in ladder)
    work += plan.placebos * runs[0] * costs[lowest.scale]
    return work / (settings.experiments * costs[settings.scale])


def announcement(settings: Settings) -> str:
    """Return what a campaign with these settings verifies, in one line."""
    plan = verification_plan(settings)
    if plan:
        rungs = ", then ".join(
            f"{name} ({rung.climbers} at most, {'/'.join(map(str, rung.looks))} seeds)"
            for name, rung in zip(plan.rung_names, plan.rungs, strict=True)
        )
        places = "after " + ", ".join(map(str, plan.settlements)) + " settled designs"
        return (
            f"verification: {places} the best one climbs {rungs} on sealed text against {plan.rivals}"
            f"{_rates(plan)}{_placebos(plan)}; at most {_amount(added_share(plan, settings))} work"
        )
    if settings.verification.candidates == 0 or not settings.experiments:
        return "verification: off; scores stay screening scores"
    one = settings.model_copy(update={"verification": settings.verification.model_copy(update={"candidates": 1})})
    smallest = verification_plan(one)
    assert smallest is not None, "one candidate was asked for"
    return (
        f"verification: none, since {settings.experiments} experiments are too few to verify one within "
        f"{settings.verification.share:.0%} more work; hint: --verify 1 verifies one, for up to "
        f"{_amount(added_share(smallest, settings))}"
    )


def _rates(plan: VerificationPlan) -> str:
    """Return which learning rates are tried, in words."""
    rates = "/".join(f"{rate:g}" for rate in plan.rates)
    return f", each at its best of {rates} times the learning rate" if rates else ""


def _placebos(plan: VerificationPlan) -> str:
    """Return how many placebos climb, in words."""
    if not plan.placebos:
        return ""
    return f", and so do {plan.placebos} placebos" if plan.placebos > 1 else ", and so does a placebo"


def _amount(share: float) -> str:
    """Return an amount of further work in words."""
    return f"{share:.0%} more" if share < 2 else f"{share:.0f} times as much"


def _plan(settings: Settings, candidates: int, looks: tuple[int, ...]) -> VerificationPlan:
    """Return a plan for so many candidates. Raises LabError."""
    wanted = settings.verification
    rungs = [_load(name) for name in wanted.rungs or _default_rungs(settings.scale)]
    places = [candidates if index == 0 else max(1, candidates // 2**index) for index in range(len(rungs))]
    try:
        return VerificationPlan(
            rungs=tuple(
                Rung(
                    scale=scale.name,
                    climbers=climbers,
                    looks=looks,
                    limits=Limits(seconds=scale.seconds, memory_mb=scale.memory_mb),
                    parameters=scale.shape.parameters,
                )
                for scale, climbers in zip(rungs, places, strict=True)
            ),
            settlements=_settlements(settings.experiments, candidates),
            ascent="best",
            **wanted.model_dump(include={"baselines", "margin", "alpha", "futility", "retries"}),
        )
    except ValueError as error:
        raise LabError(f"[verification] {_one_line(error)}") from None


def _settlements(experiments: int, candidates: int) -> tuple[int, ...]:
    """Return the numbers of settled designs at which places fall due: evenly spread, the last at the end."""
    return tuple(max(1, experiments * (place + 1) // candidates) for place in range(candidates))


def _default_rungs(scale: str) -> tuple[str, str]:
    """Return the campaign's own scale and the next one that the same device can carry; itself again without one."""
    for lower, higher in pairwise(scales.ladder().values()):
        if lower.name == scale and higher.device == lower.device:
            return scale, higher.name
    return scale, scale


def _load(name: str) -> Scale:
    try:
        return scales.load(name)
    except ValueError as error:
        raise LabError(f"[verification] {error}") from None


def _costs(names: Iterable[str]) -> dict[str, float]:
    """Return the cost of a run by scale, all in one unit."""
    rungs = {name: _load(name) for name in names}
    if all(rung.typical_seconds for rung in rungs.values()):
        return {name: rung.typical_seconds for name, rung in rungs.items()}
    return {name: float(rung.tokens * rung.shape.parameters) for name, rung in rungs.items()}


def _one_line(error: ValueError) -> str:
    """Return the first fault of a plan."""
    first = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return first.removeprefix("Value error, ").lower()
