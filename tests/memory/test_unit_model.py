"""The unit model draws noisy objectives towards their neighbours': the chosen top is better, and less too good."""

import numpy as np
import pytest

from memory.scoring.scoreboard import FLOOR
from memory.scoring.unit_model import Moments, fit, pooled_noise

AXES, OPTIONS = 12, 5
NOISE = 1.0
"""Objectives are in standard deviations of seed noise; facts of nano: the spread of designs is one to two of them."""


def simulate(seed: int, count: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return units [n, D], true and measured objectives [n] of random designs and children of the best measured.

    Units have effects of their own, neighbouring axes interact, and bad designs are far worse than good ones are good.
    """
    rng = np.random.default_rng(seed)
    effects = rng.normal(0, 2 / AXES**0.5, (AXES, OPTIONS))
    pairs = rng.normal(0, 0.35, (AXES - 1, OPTIONS, OPTIONS))
    designs: list[np.ndarray] = []
    true: list[float] = []
    measured: list[float] = []
    for index in range(count):
        design = rng.integers(0, OPTIONS, AXES)
        if index >= count // 3:
            design = designs[rng.choice(np.argsort(measured)[-10:])].copy()
            design[rng.integers(AXES)] = rng.integers(OPTIONS)
        value = effects[range(AXES), design].sum() + pairs[range(AXES - 1), design[:-1], design[1:]].sum()
        designs.append(design)
        true.append(value if value > -3 else 2 * value)
        measured.append(true[-1] + rng.normal(0, NOISE))
    units = np.zeros((count, AXES * OPTIONS))
    for row, design in zip(units, designs, strict=True):
        row[np.arange(AXES) * OPTIONS + design] = 1
    return units, np.array(true), np.array(measured)


def test_shrinkage_lowers_the_regret_of_the_chosen_top_and_the_winners_curse() -> None:
    """Over 40 campaigns, the five best by score lie nearer to the best than the five best by measurement."""
    gains, raw_curse, curse = [], [], []
    for seed in range(40):
        units, true, measured = simulate(seed)
        scores = fit(units, measured, np.ones(len(true)), NOISE**2, floor=FLOOR).scores
        by_score, by_measurement = (np.argsort(-values)[:5] for values in (scores, measured))
        gains.append(true[by_score].mean() - true[by_measurement].mean())
        raw_curse.append(measured[by_measurement].mean() - true[by_measurement].mean())
        curse.append(scores[by_score].mean() - true[by_score].mean())
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(len(gains))
    assert abs(np.mean(curse)) < np.mean(raw_curse) / 2


def test_a_lucky_measurement_falls_back_and_one_of_more_runs_falls_back_less() -> None:
    """Of two equal measurements, that of five runs stays higher."""
    units, _, measured = simulate(0)
    top = int(np.argmax(measured))
    runs = np.ones(len(measured))
    once = fit(units, measured, runs, NOISE**2, floor=FLOOR).scores[top]
    runs[top] = 5
    often = fit(units, measured, runs, NOISE**2, floor=FLOOR).scores[top]
    assert once < often < measured[top]


def test_effects_recover_the_units_that_matter() -> None:
    """The intervals cover the true effects about as often as they say."""
    rng = np.random.default_rng(1)
    units = rng.integers(0, 2, (300, 40)).astype(float)
    true = rng.normal(0, 0.5, 40)
    model = fit(units, units @ true + rng.normal(0, 1, 300), np.ones(300), 1.0, floor=0.0)
    assert np.corrcoef(model.effects, true)[0, 1] > 0.9
    assert (np.abs(model.effects - true) < 1.96 * np.sqrt(np.diag(model.covariance))).mean() >= 0.9


def test_moments_grow_with_rows_and_units() -> None:
    """Extended moments equal those of all rows."""
    units, *_ = simulate(3)
    early = Moments.of(units[:50, :40])
    grown, whole = early.extended(np.where(np.arange(60) < 40, units, 0)), np.where(np.arange(60) < 40, units, 0)
    assert np.array_equal(grown.gram, Moments.of(whole).gram)
    assert grown.count == len(units)


@pytest.mark.parametrize("units", [np.zeros((4, 0)), np.ones((4, 2)), np.eye(4)])
def test_degenerate_campaigns_have_scores(units: np.ndarray) -> None:
    """No units, equal designs, or equal values: nothing divides by zero."""
    for values in (np.zeros(4), np.arange(4.0)):
        assert np.isfinite(fit(units, values, np.ones(4), 1.0, floor=FLOOR).scores).all()


def test_repeated_runs_correct_the_noise() -> None:
    """Without any, the noise is as recorded; many of them replace it."""
    assert pooled_noise(2.0, []) == pytest.approx(4.0)
    runs = [np.array([-1.0, 1.0])] * 1000
    assert pooled_noise(5.0, runs) == pytest.approx(2.0, rel=0.15)
