"""Arithmetic of a program's figures: its fitness, and the paired gain of one program over another.

A gain is what a search reached beyond random search, in standard deviations of random designs, by true values. Fitness
is gain per unit of compute, where one design is the unit: a failed step costs a design, and so do so many CPU seconds
as a training at the smallest scale takes.
"""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

import numpy as np

from bus.vocabulary.events import FamilyFigures

DESIGN_CPU_SECONDS = 10.0
"""CPU seconds of a program that cost as much as one design: about a training at nano."""
RESAMPLES, CONFIDENCE_LEVEL = 4000, 0.95


class PairedGain(NamedTuple):
    """How much better one program is than another on the same landscapes."""

    mean: float
    low: float
    high: float
    pairs: int


def fitness_of(families: Mapping[str, FamilyFigures]) -> float:
    """Return the mean over families of gain per unit of compute. Raises ValueError without figures."""
    if not families:
        raise ValueError("a fitness needs the figures of at least one family")
    return fmean(_gain_per_compute(figures) for figures in families.values())


def _gain_per_compute(figures: FamilyFigures) -> float:
    """Return a family's mean gain, divided by the relative cost; a loss is multiplied by it."""
    gain, designs = fmean(figures.gains), figures.designs * len(figures.gains)
    cost = 1 + (figures.failures + math.ceil(figures.cpu_seconds) / DESIGN_CPU_SECONDS) / designs
    return gain / cost if gain > 0 else gain * cost


def paired_gain(ours: Mapping[str, FamilyFigures], theirs: Mapping[str, FamilyFigures]) -> PairedGain:
    """Return the mean difference with its 95 % interval: a bootstrap over the landscapes within each family.

    Raises ValueError if the two were not run on the same families and numbers of landscapes.
    """
    sizes = [{name: len(figures.gains) for name, figures in side.items()} for side in (ours, theirs)]
    if sizes[0] != sizes[1] or not sizes[0]:
        raise ValueError(f"pairs need the same landscapes, got {sizes[0]} and {sizes[1]}")
    random = np.random.default_rng(0)
    means, resampled = [], np.zeros(RESAMPLES)
    for name, figures in sorted(ours.items()):
        differences = np.subtract(figures.gains, theirs[name].gains)  # [landscapes]
        draws = random.integers(0, len(differences), (RESAMPLES, len(differences)))
        means.append(float(differences.mean()))
        resampled += differences[draws].mean(axis=1) / len(ours)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return PairedGain(fmean(means), float(low), float(high), sum(sizes[0].values()))
