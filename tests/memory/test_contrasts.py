"""Contrasts of units: their intervals hold the true differences, and what data can't tell stays open."""

import numpy as np
import pytest

from memory.scoring.contrasts import contrasts
from memory.scoring.unit_model import fit

AXES, OPTIONS = 12, 5
ITEMS = [f"memory/a{axis}:u{option}" for axis in range(AXES) for option in range(OPTIONS)]


def searched(seed: int, count: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return units [n, D], measured objectives [n] and the true contrasts [D] of a search that bred from its best."""
    rng = np.random.default_rng(seed)
    effects, designs, measured = rng.normal(0, 2 / AXES**0.5, (AXES, OPTIONS)), [], []
    for index in range(count):
        design = rng.integers(0, OPTIONS, AXES)
        if index >= count // 3:
            design = designs[rng.choice(np.argsort(measured)[-10:])].copy()
            design[rng.integers(AXES)] = rng.integers(OPTIONS)
        designs.append(design)
        measured.append(effects[range(AXES), design].sum() + rng.normal())
    units = np.zeros((count, AXES * OPTIONS))
    for row, design in zip(units, designs, strict=True):
        row[np.arange(AXES) * OPTIONS + design] = 1
    shares = units.mean(axis=0).reshape(AXES, OPTIONS)
    return units, np.array(measured), (effects - (shares * effects).sum(axis=1, keepdims=True)).ravel()


def test_intervals_hold_the_true_differences_as_often_as_they_say() -> None:
    """Over 20 searches, although the designs were chosen by their measurements."""
    held, decided = [], []
    for seed in range(20):
        units, measured, true = searched(seed)
        model = fit(units, measured, np.ones(len(units)), 1.0, floor=0.0)
        for contrast, truth in zip(contrasts(model, ITEMS, units.sum(axis=0)), true, strict=True):
            held.append(abs(contrast.mean - truth) <= 1.96 * contrast.deviation)
            if abs(contrast.mean) > 1.96 * contrast.deviation:
                decided.append(np.sign(contrast.mean) == np.sign(truth))
    assert np.mean(held) == pytest.approx(0.95, abs=0.04)
    assert len(decided) > 20
    assert np.mean(decided) > 0.95


def test_a_kind_of_path_is_worth_a_path_with_average_units() -> None:
    """Designs with a window of any span gain 4, so the kind does, however the model shares that out."""
    rng = np.random.default_rng(0)
    window, span = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    units = np.stack([np.ones(200), window, window * span, window * (1 - span)], axis=1).astype(np.float64)
    items = ["memory/kind:memory", "window/kind:window", "window/span:8", "window/span:16"]
    model = fit(units, 4.0 * window + rng.normal(0, 0.1, 200), np.ones(200), 0.01, floor=0.0)
    memory, kind, short, long = contrasts(model, items, units.sum(axis=0))
    assert kind.mean == pytest.approx(4.0, abs=0.2)
    assert kind.mean > 1.96 * kind.deviation
    assert abs(memory.mean) < 1.96 * memory.deviation
    assert max(abs(short.mean), abs(long.mean)) < 0.2
