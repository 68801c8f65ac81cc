"""The law of discovery over exported logs (`move37 law`): how discoveries grow with cost, arm by arm.

Logs of several seeds are pooled by arm. Where no discovery was confirmed, the report says so, and what it then counts
are screening hits: designs whose one screening score is better than the best baseline's. They are no discoveries.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import combinations
from math import inf
from typing import Any

from agents.analysis.evidence.arms import (
    MIN_SEARCHES,
    expected_best,
    interquartile_mean,
    probability_of_improvement,
)
from agents.analysis.evidence.law import GrowthLaw, SearchRecord, fit, mean_curve
from bus.vocabulary.events import CampaignStarted
from bus.wire.envelope import Envelope
from dashboard.report.summary import plural
from lab.client.trajectories import COSTS, ArmCost, Trajectory, Trial
from lab.errors import LabError

Found = Callable[[Trajectory], list[ArmCost]]
TRIES = (1, 3, 10, 30, 100, 300)
"""Numbers of tries for which the expected best is given."""
CURVE_POINTS = 20
COST_NAMES = {"flops": "FLOPs"}
"""Costs that a reader sees under another name."""
COMPARED_TRIALS = 10
"""Tries of a search without which it is not compared: the shortest one sets the budget of all."""


def check_distinct(logs: Iterable[tuple[str, Sequence[Envelope]]]) -> None:
    """Raise LabError if two logs share a campaign's beginning: what they share would count twice.

    Campaigns of one goal, scale and seed have the same ids, whatever their policy; only a fork has the same times too.
    """
    starts: dict[tuple[str, datetime], str] = {}
    for name, history in logs:
        own = {(one.id, one.time) for one in history if isinstance(one.event, CampaignStarted)}
        if shared := own & starts.keys():
            both = f"{starts[min(shared)]} and {name}"
            raise LabError(f"{both} have one beginning; hint: move37 compare tells what a fork changed")
        starts |= dict.fromkeys(own, name)


def law_report(searches: Sequence[Trajectory]) -> dict[str, Any]:
    """Return the figures of every arm and of every pair of arms, as plain data."""
    arms: defaultdict[str, list[Trajectory]] = defaultdict(list)
    for search in searches:
        arms[search.arm].append(search)
    return {
        "logs": sorted({search.log for search in searches}),
        "discoveries": sum(len(search.discoveries) for search in searches),
        "arms": {arm: _arm_report(group) for arm, group in arms.items()},
        "comparisons": [_comparison(arms, *pair) for pair in combinations(arms, 2)],
    }


def _arm_report(searches: Sequence[Trajectory]) -> dict[str, Any]:
    trials = [trial for search in searches for trial in search.trials]
    gains = _gains_of_tries(trials)
    best = [max(search.gains) for search in searches if search.gains]
    return {
        "searches": len(searches),
        **{cost: sum(getattr(search.cost, cost) for search in searches) for cost in COSTS},
        "trials": len(trials),
        "failed": sum(trial.gain is None for trial in trials),
        "refuted": sum(search.refuted for search in searches),
        "discoveries": _growth(searches, _confirmed),
        "screening_hits": _growth(searches, _screening_hits),
        "best_screening_gain": asdict(interquartile_mean(best)) if best else None,
        "expected_best_screening_gain": {
            str(tries): expected_best(gains, tries) for tries in TRIES if tries <= len(gains)
        },
    }


def _gains_of_tries(trials: Sequence[Trial]) -> list[float]:
    """Return the gain of every try; a failed one is as good as the worst. Empty if none has a gain."""
    gains = [trial.gain for trial in trials if trial.gain is not None]
    return gains + [min(gains)] * (len(trials) - len(gains)) if gains else []


def _confirmed(search: Trajectory) -> list[ArmCost]:
    return list(search.discoveries)


def _screening_hits(search: Trajectory) -> list[ArmCost]:
    return [trial.middle for trial in search.trials if trial.gain is not None and trial.gain > 0]


def _growth(searches: Sequence[Trajectory], found: Found) -> dict[str, Any]:
    """Return the fitted law against each cost, and the mean curve against experiments."""
    records = {cost: _records(searches, found, cost) for cost in COSTS}
    spent = max((record.cost for record in records["experiments"]), default=0.0)
    grid = [spent * point / CURVE_POINTS for point in range(1, CURVE_POINTS + 1)]
    return {
        "count": sum(len(found(search)) for search in searches),
        "law": {cost: asdict(fit(of)) for cost, of in records.items() if of},
        "curve": mean_curve(records["experiments"], grid) if spent else [],
    }


def _records(searches: Sequence[Trajectory], found: Found, cost: str) -> list[SearchRecord]:
    """Return each search with its cost in a unit, without verification: it finds nothing that a search has not.

    An event before any cost of that unit can't be placed.
    """
    return [
        SearchRecord(total, tuple(at for one in found(search) if (at := float(getattr(one, cost)))))
        for search in searches
        if (total := float(getattr(search.search_cost, cost)))
    ]


def _comparison(arms: dict[str, list[Trajectory]], ours: str, theirs: str) -> dict[str, Any]:
    """Return who has the better best screening gain after as many FLOPs as the shortest search spent.

    Searches of a few tries are left out: the others would be compared by their first designs alone.
    """
    pair = [[search for search in arms[arm] if len(search.trials) >= COMPARED_TRIALS] for arm in (ours, theirs)]
    spent = min((search.search_cost.flops for group in pair for search in group), default=0.0)
    best, other = (_best_gains(group, spent) for group in pair)
    has_any = max(best, default=-inf) > -inf and max(other, default=-inf) > -inf
    chance = asdict(probability_of_improvement(best, other)) if has_any else None
    figures = {"flops": spent, "searches": tuple(map(len, pair)), "probability_of_better": chance}
    return {"ours": ours, "theirs": theirs, **figures}


def _best_gains(searches: Sequence[Trajectory], flops: float) -> list[float]:
    """Return the best gain of each search by then; one that has none yet is worse than any."""
    return [_best_by(search, flops) for search in searches]


def _best_by(search: Trajectory, flops: float) -> float:
    reached = [trial.gain for trial in search.trials if trial.gain is not None and trial.cost.flops <= flops]
    return max(reached, default=-inf)


def law_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report as text."""
    if not report["discoveries"]:
        yield "no DiscoveryConfirmed in these logs: screening hits below are scores of one seed, not discoveries"
    for arm, figures in report["arms"].items():
        yield from _arm_lines(arm, figures)
    for pair in report["comparisons"]:
        if pair["probability_of_better"]:
            chance = _estimate(pair["probability_of_better"], ".2f")
            of = " and ".join(map(str, pair["searches"]))
            at = f"at {pair['flops']:.3g} FLOPs, {of} searches"
            yield f"P({pair['ours']} finds a better best than {pair['theirs']} {at}) {chance}"


def _arm_lines(arm: str, figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{arm}: {plural(figures['searches'], 'search', 'searches')}, {plural(figures['experiments'], 'experiment')} "
        f"({figures['failed']} failed), "
        f"{figures['seconds']:.0f} s of runs, {figures['flops']:.3g} FLOPs of training"
        + (f", {figures['tokens']:,.0f} tokens of models" if figures["tokens"] else "")
    )
    for name, title in (("discoveries", "discoveries"), ("screening_hits", "screening hits")):
        counted = figures[name]
        yield f"  {title}: {counted['count']}"
        for cost, law in counted["law"].items() if counted["count"] else ():
            yield f"    by {COST_NAMES.get(cost, cost)}: {_law_text(GrowthLaw(**law))}"
    if figures["best_screening_gain"]:
        best = _estimate(figures["best_screening_gain"], "+.4f")
        yield f"  best screening gain in nats per byte, interquartile mean: {best}"
    expected = figures["expected_best_screening_gain"].items()
    if expected:
        listed = ", ".join(f"{tries}: {value:+.4f}" for tries, value in expected)
        yield f"  expected best screening gain of n designs, nats per byte: {listed}"


def _law_text(law: GrowthLaw) -> str:
    if law.exponent is None or law.interval is None:
        return "growth can't be told"
    text = f"N = {law.factor:.3g}·C^{law.exponent:.2f}, exponent 95 % [{law.interval[0]:.2f}, {law.interval[1]:.2f}]"
    if law.search_interval:
        text += f", over searches [{law.search_interval[0]:.2f}, {law.search_interval[1]:.2f}]"
    told = {"can't be told": "growth can't be told", "too few to tell": "too few to tell growth"}
    if law.growth not in told:
        return f"{text}; growth is {law.growth} (constant rate: p = {law.constant_rate_p:.2g})"
    return f"{text}; {told[law.growth]} from a constant rate (p = {law.constant_rate_p:.2g})"


def _estimate(of: dict[str, Any], form: str) -> str:
    interval = of["interval"]
    if not interval:
        return f"{of['value']:{form}} (no interval: fewer than {MIN_SEARCHES} searches)"
    return f"{of['value']:{form}} [{interval[0]:{form}}, {interval[1]:{form}}]"
