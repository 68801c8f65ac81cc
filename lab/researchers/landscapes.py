"""Landscapes: what training would have shown, for every design of a space, at once. Lower values are better.

A search sees `validation`; what it found is judged by `test`, which it never sees. Landscapes are drawn by a seed, so a
family has as many of them as one wants, and a program that has seen some knows nothing of the others.

`EpistaticLandscape` is Kauffman's NK model (1989): each axis contributes a value that depends on its own choice and on
those of K other axes. With K = 0 the axes add up; the larger K, the more local optima there are. `MixerLandscape`
values the designs of the lab's own grammar by their units and by some pairs of units.
"""

import json
from collections.abc import Iterable
from functools import cache
from itertools import combinations
from random import Random
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from agents.design import Design
from agents.search.choices import Choices, ChoiceSpace
from agents.search.space import DesignSpace
from agents.search.spaces import mixers
from bus.wire.ids import derive, rng
from memory.forecasts.features import tokens

MEAN_LOSS = 2.45
"""Loss around which simulated designs of the mixer grammar lie, nats per byte."""
UNIT_SPREAD, PAIR_SPREAD, PAIR_SHARE = 0.012, 0.012, 0.06
"""Standard deviations of the effects of a unit and of a pair, nats per byte, and the share of pairs with an effect."""
SEED_NOISE = 0.018
"""Standard deviation of a simulated loss over seeds, as measured at nano."""


class Landscape(Protocol):
    """The values of a space's designs, on the landscape of each seed."""

    @property
    def space(self) -> DesignSpace:
        """The designs."""
        ...

    def validation(self, design: Any, seed: int) -> float:
        """Return what a search sees."""
        ...

    def test(self, design: Any, seed: int) -> float:
        """Return what judges the design that a search chose."""
        ...


class EpistaticLandscape:
    """Axes whose contributions depend on `k` other axes each; values have a standard deviation of about 1."""

    def __init__(self, name: str, axes: int, options: int, k: int, noise: float) -> None:
        """Make the landscapes of a name: so many axes of so many options, seen with normal noise."""
        assert 0 <= k < axes, f"an axis depends on at most {axes - 1} others, got {k}"
        self.space = ChoiceSpace(name, {f"axis{axis}": tuple(map(str, range(options))) for axis in range(axes)})
        self._axes, self._options, self._k, self._noise = axes, options, k, noise
        self._drawn: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}

    def validation(self, design: Choices, seed: int) -> float:
        """Return the value with the noise of one measurement, the same every time."""
        draws = Random(derive(self.space.name, seed, *design))
        return self.test(design, seed) + draws.gauss(0, self._noise)

    def test(self, design: Choices, seed: int) -> float:
        """Return the value without noise."""
        readers, contributions = self._landscape(seed)
        chosen = np.array(design, np.int64)[readers]  # [axes, 1 + k]
        places = chosen @ self._options ** np.arange(self._k + 1)
        return float(contributions[np.arange(self._axes), places].sum()) / self._axes**0.5

    def _landscape(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the axes that each axis reads [axes, 1 + k], and its contributions [axes, options ** (1 + k)]."""
        if seed not in self._drawn:
            draws = np.random.default_rng(int(derive(self.space.name, seed)[:16], 16))
            others = [draws.permutation(np.delete(np.arange(self._axes), axis)) for axis in range(self._axes)]
            readers = np.array([[axis, *others[axis][: self._k]] for axis in range(self._axes)])
            self._drawn[seed] = readers, draws.normal(size=(self._axes, self._options ** (self._k + 1)))
        return self._drawn[seed]


class MixerLandscape:
    """Losses of the lab's own designs, seen with the noise of one seed of training: simulated, drawn by the seed."""

    space: DesignSpace = mixers.SPACE
    noise: float = SEED_NOISE
    """Standard deviation of a loss over seeds of training."""

    def loss(self, design: Design, seed: int) -> float:
        """Return the true loss in nats per byte."""
        return MEAN_LOSS + simulated_loss(tokens(design.to_json()), seed)

    def validation(self, design: Design, seed: int) -> float:
        """Return the loss with the noise of one seed of training."""
        return self.measured(design, seed)

    def measured(self, design: Design, seed: int, shard: int = 0) -> float:
        """Return the loss with the noise of a run; one on another shard has another noise."""
        name = json.dumps(design.to_json(), sort_keys=True)
        draws = rng(derive(seed, name), f"noise {shard}" if shard else "noise")
        return self.loss(design, seed) + draws.gauss(0, self.noise)

    def test(self, design: Design, seed: int) -> float:
        """Return the true loss."""
        return self.loss(design, seed)


class FlatLandscape(EpistaticLandscape):
    """Values that no search can learn: every design has a value of its own. On it all programs are equal."""

    def __init__(self, name: str) -> None:
        """Make the landscapes of a name."""
        super().__init__(name, axes=12, options=4, k=0, noise=0.0)

    @override
    def test(self, design: Choices, seed: int) -> float:
        return Random(derive(self.space.name, seed, *design)).gauss(0, 1)


def simulated_loss(tokens_of: Iterable[str], seed: int) -> float:
    """Return what the units of a design add to the loss on the landscape of a seed, in nats per byte."""
    units = sorted(tokens_of)
    return sum(_unit(seed, unit) for unit in units) + sum(_pair(seed, *pair) for pair in combinations(units, 2))


@cache
def _unit(seed: int, unit: str) -> float:
    return rng(derive(seed, unit), "unit").gauss(0, UNIT_SPREAD)


@cache
def _pair(seed: int, a: str, b: str) -> float:
    draws = rng(derive(seed, a, b), "pair")
    return draws.gauss(0, PAIR_SPREAD) if draws.random() < PAIR_SHARE else 0.0
