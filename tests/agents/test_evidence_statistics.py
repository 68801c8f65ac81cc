"""The statistics behind a verdict: each against a known value, a library, or the error rate that it promises."""

from collections.abc import Callable
from math import isinf, sqrt

import numpy as np
import pytest
from scipy import integrate, special, stats

from agents.analysis.evidence import sequential_test
from agents.analysis.evidence.futility import predictive_power, smallest_gain
from agents.analysis.evidence.intervals import document_interval, seed_interval
from agents.analysis.evidence.sequential_test import (
    MOST_EVIDENCE,
    critical_t,
    e_value,
    evidence,
    lower_bound,
    upper_bound,
)
from agents.analysis.evidence.shrinkage import shrunken
from agents.analysis.evidence.student_t import t_cdf, t_quantile

LOOKS = (5, 10, 20, 40)
SD = 0.02
LEVEL = 0.05


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 39, 158])
def test_student_t_agrees_with_scipy(degrees: int) -> None:
    """Probabilities and quantiles, in the middle and in the tails."""
    for t in (-30.0, -2.0, 0.0, 0.7, 4.0):
        assert t_cdf(t, degrees) == pytest.approx(stats.t.cdf(t, degrees), abs=1e-12)
    for probability in (0.001, 0.3, 0.5, 0.975, 0.9999):
        assert t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("seeds", "effect", "ratio"), [(2, 0.5, 1.2), (5, 1.5, -2.0), (40, 0.5, 3.0), (160, 0.25, -5.0)]
)
def test_the_likelihood_ratio_is_its_integral(seeds: int, effect: float, ratio: float) -> None:
    """The trapezoid rule agrees with adaptive quadrature of the definition."""

    def integrand(u: float) -> float:
        return float(u ** (seeds - 1) * np.exp(-u * u / 2 + effect * ratio * u - seeds * effect**2 / 2))

    area = integrate.quad(integrand, 0, sqrt(seeds) + 15, limit=200, epsabs=0)[0]
    expected = area / (2 ** (seeds / 2 - 1) * special.gamma(seeds / 2))
    assert sequential_test._likelihood_ratio(effect, ratio, seeds) == pytest.approx(expected, rel=1e-8)


def test_an_e_value_has_a_mean_of_one_without_a_gain() -> None:
    """The definition of an e-value, at a look of five seeds, where its tail is light enough to average."""
    draws = np.random.default_rng(0).standard_normal((4000, 5)).tolist()
    values = [e_value(gains, 0.0, 40) for gains in draws]
    assert np.mean(values) == pytest.approx(1.0, abs=4 * np.std(values) / sqrt(len(values)))


Draw = Callable[[tuple[int, int]], np.ndarray]
TRIALS = 4000


def confirmed(mean: float, level: float, draw: Draw) -> float:
    """Return how often gains with this mean, in units of their sd, are confirmed at any look."""
    gains = mean + draw((TRIALS, LOOKS[-1]))
    crossed = np.zeros(TRIALS, bool)
    for look in LOOKS[:-1]:
        seen = gains[:, :look]
        t = seen.mean(axis=1) / seen.std(axis=1, ddof=1) * sqrt(look)
        crossed |= t >= critical_t(look, level, LOOKS[-1])
    for trial in np.flatnonzero(~crossed):
        crossed[trial] = evidence(gains[trial].tolist(), 0.0, LOOKS, is_last=True) >= 1 / level
    return float(crossed.mean())


def highest(level: float) -> float:
    """Return a share that a rate of at most the level exceeds once in a thousand times."""
    return level + 3.1 * sqrt(level * (1 - level) / TRIALS)


@pytest.mark.parametrize("level", [0.05, 0.05 / 8])
@pytest.mark.parametrize("mean", [0.0, -0.2])
def test_optional_stopping_keeps_the_level(mean: float, level: float) -> None:
    """Whoever stops at the first look that confirms errs at most at the level, for no gain and for a loss."""
    assert confirmed(mean, level, np.random.default_rng(1).standard_normal) <= highest(level)


def test_the_level_holds_for_differences_that_are_not_normal() -> None:
    """Differences of two runs of which a quarter fail to learn: a discrete mixture with heavy tails."""
    rng = np.random.default_rng(2)

    def differences(shape: tuple[int, int]) -> np.ndarray:
        failed = (rng.random(shape) < 0.25).astype(float) - (rng.random(shape) < 0.25)
        return 2 * failed + 0.3 * rng.standard_normal(shape)

    assert confirmed(0.0, LEVEL, differences) <= highest(LEVEL)


def test_a_gain_of_three_quarters_of_a_standard_deviation_is_found() -> None:
    """.015 nats at a paired sd of .02, even if eight candidates share the level."""
    assert confirmed(0.75, LEVEL / 8, np.random.default_rng(3).standard_normal) >= 0.95


def test_looking_early_costs_little() -> None:
    """One t test at the last look would confirm .93 of gains of half a standard deviation."""
    assert confirmed(0.5, LEVEL, np.random.default_rng(3).standard_normal) >= 0.85


@pytest.mark.parametrize(("seeds", "is_last"), [(12, False), (20, False), (40, True), (38, True), (21, True)])
def test_the_bounds_are_where_the_evidence_confirms(seeds: int, is_last: bool) -> None:
    """Testing the lower bound as a margin gives evidence of exactly 1/level; so does the upper, mirrored."""
    gains = np.random.default_rng(4).normal(0.02, SD, seeds).tolist()
    low, high = (bound(gains, LEVEL, LOOKS, is_last=is_last) for bound in (lower_bound, upper_bound))
    assert evidence(gains, low, LOOKS, is_last=is_last) == pytest.approx(1 / LEVEL, rel=1e-6)
    assert evidence([-gain for gain in gains], -high, LOOKS, is_last=is_last) == pytest.approx(1 / LEVEL, rel=1e-6)
    assert low < np.mean(gains) < high


def test_a_single_look_is_a_t_test() -> None:
    """Then nothing was spent before, and the evidence is 1/p."""
    gains = np.random.default_rng(5).normal(0.01, SD, 20).tolist()
    p = stats.ttest_1samp(gains, 0.0, alternative="greater").pvalue
    assert 1 / evidence(gains, 0.0, (20,), is_last=True) == pytest.approx(p)


def test_few_seeds_can_not_confirm_at_a_strict_level() -> None:
    """Then no t is large enough, and there is no lower bound."""
    assert isinf(critical_t(2, LEVEL, 40))
    assert isinf(lower_bound([0.1, 0.1001, 0.0999], LEVEL / 100, LOOKS, is_last=False))


def test_equal_gains_are_handled() -> None:
    """Without spread, any gain is as clear as its seeds allow, and none is evidence for none."""
    assert e_value([0.0] * 5, 0.0, 40) < 1.0
    assert e_value([0.01] * 20, 0.0, 40) > 1000
    assert evidence([0.01] * 40, 0.0, LOOKS, is_last=True) > 1e15
    assert lower_bound([0.01] * 40, LEVEL, LOOKS, is_last=True) == pytest.approx(0.01)
    assert predictive_power([0.01] * 5, 0.0, LEVEL, LOOKS) == 1.0
    assert seed_interval([0.01] * 5, 0.95) == (0.01, 0.01)


@pytest.mark.parametrize("sd", [0.008, 1e-4, 1e-9])
def test_a_clear_gain_leaves_every_figure_finite(sd: float) -> None:
    """A baseline that is beaten by many standard deviations makes no event that can't be written."""
    gains = [0.1 + sd * (number % 5 - 2) for number in range(80)]
    for looks in ((5, 10, 20, 40), (5, 10, 20, 40, 80)):
        figures = [evidence(gains[: looks[-1]], 0.0, looks, is_last=is_last) for is_last in (False, True)]
        assert all(1e6 < figure <= MOST_EVIDENCE for figure in figures)
        assert 0 < lower_bound(gains[: looks[-1]], LEVEL, looks, is_last=True) < 0.1


def coverage(seeds: int, block_sd: float) -> float:
    """Return how often the interval over seeds and 64 blocks of documents holds the true gain of 0."""
    rng = np.random.default_rng(seeds)
    held, trials = 0, 400
    for _ in range(trials):
        noise = 0.04 * rng.standard_normal((seeds, 64)) + SD * rng.standard_normal((seeds, 1))
        low, high = document_interval((noise + block_sd * rng.standard_normal(64)).tolist(), 0.95)
        held += low <= 0.0 <= high
    return held / trials


@pytest.mark.parametrize("seeds", [5, 20])
@pytest.mark.parametrize("block_sd", [0.0, 0.03, 0.15])
def test_the_interval_over_seeds_and_documents_covers(seeds: int, block_sd: float) -> None:
    """Whether seeds or documents make the noise; `python -m benchmarks.evidence` measures it more finely."""
    assert 0.92 <= coverage(seeds, block_sd) <= 0.985


def test_the_seed_interval_is_the_t_interval() -> None:
    """As SciPy has it."""
    gains = [0.01, 0.03, -0.01, 0.02, 0.0]
    expected = stats.t.interval(0.95, 4, np.mean(gains), stats.sem(gains))
    assert seed_interval(gains, 0.95) == pytest.approx(expected)


def test_predicted_power_falls_with_the_gain_and_ends_with_the_plan() -> None:
    """It is 0 after the last look."""
    base = np.random.default_rng(5).normal(0, SD, 10)
    base -= base.mean()
    powers = [predictive_power((base + mean).tolist(), 0.0, LEVEL, LOOKS) for mean in (-0.01, 0.0, 0.01, 0.03)]
    assert powers == sorted(powers)
    assert powers[0] < 0.05
    assert powers[-1] > 0.95
    assert predictive_power(np.resize(base, 40).tolist(), 0.0, LEVEL, LOOKS) == 0.0


def test_stopping_for_futility_costs_little_power() -> None:
    """Of claims that would be confirmed, at most a few are stopped; without a gain, most are stopped early."""
    lost, seeds_used = futility_costs(0.75), futility_costs(0.0)
    assert lost[0] <= 0.03
    assert seeds_used[1] <= 25


def futility_costs(effect: float, trials: int = 150) -> tuple[float, float]:
    """Return the share of claims that a later look confirms but that were stopped before, and the mean seeds used."""
    rng = np.random.default_rng(6)
    lost, used = 0, 0
    for gains in (effect + rng.standard_normal((trials, LOOKS[-1]))).tolist():
        strength = [evidence(gains[:look], 0.0, LOOKS, is_last=look == LOOKS[-1]) for look in LOOKS]
        passed = [one >= 1 / LEVEL for one in strength]
        futile = [predictive_power(gains[:look], 0.0, LEVEL, LOOKS) < 0.05 for look in LOOKS]
        end = next(i for i in range(len(LOOKS)) if passed[i] or futile[i])
        lost += any(passed) and not passed[end]
        used += LOOKS[end]
    return lost / trials, used / trials


def test_the_smallest_gain_is_found_with_its_power() -> None:
    """The formula leaves out earlier looks and the noise of the sd: it is right within a few points."""
    for level in (LEVEL, LEVEL / 8):
        gain = smallest_gain(SD, 0.0, level, LOOKS)
        assert 0.77 <= confirmed(gain / SD, level, np.random.default_rng(7).standard_normal) <= 0.87
    assert smallest_gain(SD, 0.005, LEVEL, LOOKS) == pytest.approx(0.005 + smallest_gain(SD, 0.0, LEVEL, LOOKS))


def test_shrinking_halves_the_error_of_the_best_score() -> None:
    """The best of 40 designs that differ as much as their seeds is too good by more than its shrunken estimate."""
    rng = np.random.default_rng(8)
    raw, shrunk = [], []
    for _ in range(200):
        truth = rng.normal(0, SD, 40)
        scores = truth + rng.normal(0, SD, 40)
        best = int(np.argmax(scores))
        raw.append(scores[best] - truth[best])
        shrunk.append(shrunken(scores.tolist(), [1] * 40, SD)[best] - truth[best])
    assert np.mean(raw) > SD
    assert abs(np.mean(shrunk)) < 0.25 * np.mean(raw)


def test_shrinking_knows_its_limits() -> None:
    """Equal designs collapse to their mean, exact scores stay, and so does a single one."""
    assert shrunken([1.0, 1.001], [1, 1], 0.5) == pytest.approx([1.0005, 1.0005])
    assert shrunken([1.0, 3.0], [1, 1], 0.0) == [1.0, 3.0]
    assert shrunken([2.0], [1], 0.5) == [2.0]
