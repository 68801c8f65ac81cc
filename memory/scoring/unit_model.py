"""The unit model: a hierarchical model of a campaign's objectives over the units of its designs.

    θ_i = μ + x_i·β + u_i,   β ~ N(0, a),   u_i ~ N(0, b),   y_i = θ_i + ε_i,   ε_i ~ N(0, s / runs_i)

x_i counts the units of design i, so designs that share units are neighbours: they share the units' effects β. u_i is
what a design has of its own. The posterior mean of θ_i is its score: a design's measurement, drawn towards what its
neighbours say, the more the larger the noise s and the fewer its runs. A lucky measurement falls back the furthest.

s is known: the noise of the objective, corrected by the runs that designs repeat. a and b share what variance there is
beyond it equally. The many bad designs must not pass for spread among the good ones, which is what a ranking is about,
so measurements below a quantile count as that quantile (`floor`), and such a design scores no more than it measured.

Ridge regression solves for β (Hoerl and Kennard, 1970): with n designs and D units it takes n·D² + D³ operations, of
which `Moments` keeps the n·D² between calls.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRIOR_FREEDOM = 10.0
"""How many repeated runs the noise of the objective counts for, against the runs that a campaign has repeated."""
UNIT_SHARE = 0.5
"""Share of the spread beyond the noise that the prior gives to the units; the rest is the designs' own."""
LEAST_SPREAD = 0.05
"""Least variance beyond the noise, as a share of the noise's: with less, the model would divide by nothing."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the first `count` rows of the counts of units."""

    count: int
    total: Array
    """[D]: the sum of the rows."""
    gram: Array
    """[D, D]: the sum of the rows' outer products."""

    @classmethod
    def of(cls, units: Array) -> "Moments":
        """Return the moments of some rows [n, D]."""
        return cls(len(units), units.sum(axis=0), units.T @ units)

    def extended(self, units: Array) -> "Moments":
        """Return the moments of more rows, of which the first `count` are these; later rows may have new units."""
        added = units.shape[1] - len(self.total)
        old = Moments(self.count, np.pad(self.total, (0, added)), np.pad(self.gram, (0, added)))
        new = Moments.of(units[self.count :])
        return Moments(len(units), old.total + new.total, old.gram + new.gram)


@dataclass(frozen=True, slots=True)
class UnitModel:
    """A fitted model."""

    scores: Array
    """[n]: the posterior mean of each design's objective."""
    effects: Array
    """[D]: the posterior mean of each unit's effect on the objective."""
    covariance: Array
    """[D, D]: the posterior covariance of the effects."""


def pooled_noise(noise: float, repeated: list[Array]) -> float:
    """Return the variance of one run: the given standard deviation's, and that within the runs of each design."""
    squares = sum(float(((runs - runs.mean()) ** 2).sum()) for runs in repeated)
    return (PRIOR_FREEDOM * noise**2 + squares) / (PRIOR_FREEDOM + sum(len(runs) - 1 for runs in repeated))


def fit(
    units: Array, values: Array, runs: Array, variance: float, *, floor: float, moments: Moments | None = None
) -> UnitModel:
    """Return the model of designs: counts of units [n, D], objectives [n] and numbers of runs [n], n at least 1.

    `variance` is that of one run. Values below the quantile `floor` count as that quantile. `moments` are those of
    `units`, if they are known.
    """
    moments = moments or Moments.of(units)
    floored = np.maximum(values, np.quantile(values, floor))
    mean = moments.total / moments.count
    centred = floored - floored.mean()
    spread = max(float(centred @ centred) / moments.count - variance, LEAST_SPREAD * variance)
    gram = moments.gram - moments.count * np.outer(mean, mean)
    width = float(np.trace(gram)) / moments.count  # the mean squared distance of a row from the mean row
    own, unit = (1 - UNIT_SHARE) * spread, UNIT_SHARE * spread / width if width > 1e-9 else 0.0
    residual = own + variance  # of a measurement, its effects aside
    inverse = np.linalg.inv(gram * unit + residual * np.eye(len(gram))).astype(np.float64) * unit
    effects = inverse @ (units.T @ centred - mean * centred.sum())
    expected = floored.mean() + (units - mean) @ effects
    scores = expected + own / (own + variance / runs) * (floored - expected)
    scores = np.where(values < floored, np.minimum(scores, values), scores)
    return UnitModel(scores, effects, residual * inverse)
