"""Contrasts: the effect of each unit of a fitted model, compared with what designs have in its place.

A path has one unit on each axis, so data can't tell a gain of all units of an axis from a gain of the path itself. What
they do tell is the difference of a unit to the others of its axis. So a unit's effect is

    β_j − Σ_k p_k β_k

over the units k of its axis, with the share p_k of designs that have them. The effect of a kind of path is that of one
more path of this kind with average units. Items are named as in `bus.vocabulary.design_edits`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

from memory.scoring.unit_model import Array, UnitModel

KIND = "kind"
"""Name of the axis whose unit is the kind of a path."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """An effect with its posterior standard deviation, in standard deviations of seed noise."""

    mean: float
    deviation: float


def contrasts(model: UnitModel, items: Sequence[str], totals: Array) -> list[Contrast]:
    """Return the effect of each item of the model's columns; `totals` [D] counts each in the model's designs."""
    axes: defaultdict[str, list[int]] = defaultdict(list)
    for column, item in enumerate(items):
        axes[item.partition(":")[0]].append(column)
    found: list[Contrast] = [Contrast(0.0, 0.0)] * len(items)
    for axis, columns in axes.items():
        path, _, name = axis.rpartition("/")
        if path and name == KIND:
            found[columns[0]] = _of_path(model, [axes[other] for other in axes if other.startswith(f"{path}/")], totals)
        else:
            for column, contrast in zip(columns, _of_axis(model, columns, totals), strict=True):
                found[column] = contrast
    return found


def _of_axis(model: UnitModel, columns: list[int], totals: Array) -> list[Contrast]:
    """Return the effects of the units of one axis."""
    effects, covariance = model.effects[columns], model.covariance[np.ix_(columns, columns)]
    shares = _shares(totals[columns])
    with_mean = covariance @ shares
    variances = np.diag(covariance) - 2 * with_mean + shares @ with_mean
    means = effects - shares @ effects
    return [Contrast(float(mean), _root(variance)) for mean, variance in zip(means, variances, strict=True)]


def _of_path(model: UnitModel, axes: list[list[int]], totals: Array) -> Contrast:
    """Return the effect of a path that has the average unit on each of these axes, its kind included."""
    columns = [column for axis in axes for column in axis]
    weights: NDArray[np.float64] = np.concatenate([_shares(totals[axis]) for axis in axes])
    covariance = model.covariance[np.ix_(columns, columns)]
    return Contrast(float(weights @ model.effects[columns]), _root(weights @ covariance @ weights))


def _shares(totals: Array) -> Array:
    return totals / max(1.0, float(totals.sum()))


def _root(variance: SupportsFloat) -> float:
    return max(0.0, float(variance)) ** 0.5
