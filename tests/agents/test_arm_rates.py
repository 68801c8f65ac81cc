"""Which arm finds more: known intervals, their coverage, and what can't be compared."""

from typing import Any

import numpy as np
import pytest

from agents.analysis.evidence.arm_rates import RateComparison, compare_arms
from bus.vocabulary.queries import ArmResults, ResultsByArm


def compared(ours: dict[str, Any], theirs: dict[str, Any], arm: str = "grammar") -> tuple[RateComparison, ...]:
    """Return the comparisons of a guided arm with a control."""
    base = {"opened": 20, "analysed": 20, "run_seconds": 3600.0}
    rows = ({"arm": "guided"} | base | ours, {"arm": arm} | base | theirs)
    return compare_arms(ResultsByArm(rows=tuple(ArmResults.model_validate(row) for row in rows)))


def test_rates_are_compared_by_every_exposure() -> None:
    """Twelve finds to two at equal experiments: 12 of 14 lie in 0.572 to 0.982 (Clopper and Pearson)."""
    per_experiment, per_hour, per_cost = compared(
        {"hits": 12, "run_seconds": 1800.0, "cost": 6.0}, {"hits": 2, "cost": 0.5}
    )
    assert (per_experiment.our_rate, per_experiment.their_rate, per_experiment.ratio) == (0.6, 0.1, 6.0)
    assert (per_experiment.low, per_experiment.high) == (
        pytest.approx(0.57187 / 0.42813, rel=1e-3),
        pytest.approx(0.98221 / 0.01779, rel=1e-2),
    )
    assert (per_hour.our_rate, per_hour.ratio) == (24.0, 12.0)
    assert (per_cost.our_rate, per_cost.their_rate, per_cost.ratio) == (2.0, 4.0, 0.5)
    assert [one.standing for one in (per_experiment, per_hour, per_cost)] == ["more", "more", "can't be told"]
    assert per_experiment.sentence() == (
        "screening hits per experiment: model 0.6, grammar 0.1 (6 times as many, 95 % interval 1.3 to 55): "
        "model finds more"
    )


def test_an_arm_that_found_nothing_has_a_lower_end_alone() -> None:
    """Ten to none is more, three to none can't be told; the guided arm keeps its name against other controls."""
    one, _ = compared({"hits": 10}, {}, arm="random")
    assert (one.ours, one.ratio, one.high, one.standing) == ("guided", None, None, "more")
    assert "no ratio, 95 % interval 2.2 upwards" in one.sentence()
    assert compared({"hits": 3}, {})[0].standing == "can't be told"
    assert compared({}, {"hits": 10})[0].standing == "fewer"


def test_what_is_not_known_is_not_compared() -> None:
    """No find of anybody, no cost of one arm, no guided arm: no line. Discoveries are counted per experiment."""
    assert compared({}, {}) == ()
    assert [one.per for one in compared({"hits": 1, "cost": 1.0}, {})] == ["experiment", "hour of runs"]
    assert compare_arms(ResultsByArm(rows=(ArmResults(arm="random", opened=3, analysed=3, hits=3),))) == ()
    confirmed = compared({"confirmed": 2}, {"confirmed": 1})
    assert [(one.finds, one.per, one.ratio) for one in confirmed] == [("discoveries", "experiment", 2.0)]


@pytest.mark.parametrize(("rate", "other"), [(0.1, 0.1), (0.3, 0.1), (0.05, 0.4)])
def test_intervals_hold_the_true_ratio_as_often_as_they_say(rate: float, other: float) -> None:
    """At least 95 in a hundred, also for finds per experiment, which are no Poisson process."""
    rng = np.random.default_rng(1)
    held, told = 0, 0
    for ours, theirs in zip(rng.binomial(40, rate, 600), rng.binomial(20, other, 600), strict=True):
        found = compared({"opened": 40, "hits": int(ours)}, {"opened": 20, "hits": int(theirs)})
        told += bool(found)
        held += bool(found) and found[0].low <= rate / other <= (found[0].high or np.inf)
    assert held / told >= 0.95
