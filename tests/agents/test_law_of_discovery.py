"""The law of discovery and the comparison of arms: known values, and the coverage that the intervals promise."""

from math import inf

import numpy as np
import pytest

from agents.analysis.evidence.arms import expected_best, interquartile_mean, probability_of_improvement
from agents.analysis.evidence.law import SearchRecord, fit, mean_curve
from agents.analysis.evidence.rank_statistics import best_quarter, rung_correlation


def searches(rng: np.random.Generator, exponent: float, mean: float, count: int) -> list[SearchRecord]:
    """Return searches of cost 1 to 3 whose discoveries follow a power law with this mean number each."""
    costs = rng.uniform(1, 3, count)
    found = rng.poisson(mean, count)
    times = [cost * rng.random(n) ** (1 / exponent) for cost, n in zip(costs, found, strict=True)]
    return [SearchRecord(float(cost), tuple(at.tolist())) for cost, at in zip(costs, times, strict=True)]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_exponents_interval_covers(exponent: float) -> None:
    """95 % of exact intervals hold the exponent, for three searches of about four discoveries."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(600):
        interval = fit(searches(rng, exponent, 4, 3)).interval or (-inf, inf)
        held.append(interval[0] <= exponent <= interval[1])
    assert 0.93 <= np.mean(held) <= 0.97


def test_growth_in_words() -> None:
    """A few discoveries tell nothing; many tell the truth."""
    rng = np.random.default_rng(1)
    many = {exponent: fit(searches(rng, exponent, 200, 8)) for exponent in (0.5, 1.0, 2.0)}
    assert [law.growth for law in many.values()] == ["slower", "linear", "faster"]
    assert [law.exponent for law in many.values()] == pytest.approx([0.5, 1.0, 2.0], rel=0.1)
    assert fit(searches(rng, 1.0, 2, 2)).growth == "too few to tell"
    assert many[2.0].constant_rate_p is not None
    assert many[2.0].constant_rate_p < 1e-6


def test_a_search_without_discoveries_has_no_exponent() -> None:
    """It still counts as a search."""
    law = fit([SearchRecord(10.0, ()), SearchRecord(5.0, (5.0,))])
    assert (law.searches, law.discoveries, law.exponent, law.growth) == (2, 1, None, "too few to tell")


def test_a_constant_rate_is_seldom_called_anything_else() -> None:
    """The null of every discovery curve: a straight line is no law."""
    rng = np.random.default_rng(2)
    words = [fit(searches(rng, 1.0, 6, 5)).growth for _ in range(200)]
    assert np.mean([word in {"slower", "faster"} for word in words]) <= 0.08


def called_faster(trials: int, place: float) -> float:
    """Return how often eight searches of a constant rate are called faster; `place` is a hit's in its experiment."""
    rng = np.random.default_rng(4)
    words = []
    for _ in range(400):
        hits = (np.flatnonzero(rng.random(trials) < 0.5) + place for _ in range(8))
        words.append(fit([SearchRecord(float(trials), tuple(at.tolist())) for at in hits]).growth)
    return float(np.mean([word == "faster" for word in words]))


def test_a_constant_rate_of_whole_experiments_is_seldom_called_faster() -> None:
    """Hits stand half way through their experiments; 2.5 % are promised, and at the ends ten times as many look so."""
    assert called_faster(8, 0.5) < 0.01
    assert called_faster(200, 0.5) < 0.01
    assert called_faster(8, 1.0) == pytest.approx(0.24, abs=0.01)


def test_the_mean_curve_counts_what_was_found_by_each_cost() -> None:
    """The band of few searches is their range."""
    curve = mean_curve([SearchRecord(2.0, (0.5, 1.5)), SearchRecord(2.0, ())], [1.0, 2.0])
    assert curve == [(1.0, 0.5, 0.0, 1.0), (2.0, 1.0, 0.0, 2.0)]


def test_the_expected_best_of_n() -> None:
    """One draw gives the mean, many the maximum, and two draws of two values three quarters of the way."""
    assert expected_best([1.0, 3.0], 1) == 2.0
    assert expected_best([1.0, 3.0], 2) == 2.5
    assert expected_best([1.0, 3.0], 1000) == pytest.approx(3.0)


def test_arms_are_compared_over_whole_searches() -> None:
    """An arm that always wins has probability 1; equal arms have one half; too few searches have no interval."""
    better = probability_of_improvement([2.0, 3, 4, 5, 6], [0.0, 1, 1.5, 1.6, 1.7])
    assert (better.value, better.interval) == (1.0, (1.0, 1.0))
    assert probability_of_improvement([1.0, 2], [1.0, 2]).value == 0.5
    assert probability_of_improvement([1.0, 2], [1.0, 2]).interval is None
    assert interquartile_mean([0.0, 1, 2, 100]).value == 1.5


def test_rungs_that_agree_only_on_bad_designs_are_flagged() -> None:
    """Over all designs the order is kept, within the best quarter it is random."""
    rng = np.random.default_rng(3)
    lower = np.arange(40.0)
    upper = np.where(lower < 30, lower, 30 + rng.random(40))
    assert not rung_correlation(lower, upper).is_unsure
    quarter = best_quarter(lower, upper)
    assert quarter.designs == 10
    assert quarter.is_unsure
    assert rung_correlation(lower[:5], upper[:5]).is_unsure
