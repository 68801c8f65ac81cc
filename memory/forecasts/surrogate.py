"""The surrogate: a Gaussian process and extremely randomised trees over counts of tokens, averaged.

The process knows how sure it is, and similar designs share what is known; the trees find units that work only together.
The mean is that of both. The variance is the process's, plus the disagreement of the two.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from memory.forecasts.features import Matrix, Tokens, Vocabulary
from memory.forecasts.process import GaussianProcess

TREES = 48


class Surrogate:
    """A fitted model. Fitting is deterministic: the trees have a fixed seed."""

    def __init__(self, designs: Sequence[Tokens], objectives: Sequence[float]) -> None:
        """Fit designs to their objectives."""
        self._vocabulary = Vocabulary(designs)
        features, values = self._vocabulary.matrix(designs), np.asarray(objectives)
        self._centre, self._scale = float(values.mean()), float(values.std()) or 1.0
        scaled = (values - self._centre) / self._scale
        self._trees = _grow(features, scaled)
        with _one_thread():
            self._process = GaussianProcess(features, scaled)
            means = (self._process.mean(features) + self._grown(features)) / 2
        self.best = float(means.max()) * self._scale + self._centre
        """The highest mean among the designs of the fit."""

    def forecast(self, designs: Sequence[Tokens], pending: Sequence[Tokens]) -> tuple[Matrix, Matrix]:
        """Return means and standard deviations [designs], as if the designs under way had come out at their means."""
        features = self._vocabulary.matrix(designs)
        with _one_thread():
            processed, grown = self._process.mean(features), self._grown(features)
            covariance = self._process.covariance(np.concatenate([features, self._vocabulary.matrix(pending)]))
            variance = _variance_given(covariance, len(designs), self._process.noise) + ((processed - grown) / 2) ** 2
        return (processed + grown) / 2 * self._scale + self._centre, np.sqrt(variance) * self._scale

    def _grown(self, features: Matrix) -> Matrix:
        """Return the forest's means; asking tree by tree takes a fifth of the time of the forest's own method."""
        rows = features.astype(np.float32)
        return np.mean([tree.predict(rows)[:, 0] for tree in self._trees], axis=0)


def _grow(features: Matrix, scaled: Matrix) -> list[Any]:
    """Return the trees of a forest."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=0)
    return [tree.tree_ for tree in forest.fit(features, scaled).estimators_]


def _one_thread() -> AbstractContextManager[object]:
    """Return a context in which linear algebra uses one thread.

    These matrices are so small that threads cost ten times more than they save, and sums depend on their number.
    """
    return _thread_pools().limit(limits=1, user_api="blas")


@cache
def _thread_pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _variance_given(covariance: Matrix, count: int, noise: float) -> Matrix:
    """Return the variances of the first `count` values once the others are observed with noise.

    What is observed does not matter, only where.
    """
    observed, cross = covariance[count:, count:], covariance[count:, :count]
    if not len(observed):
        return np.maximum(covariance.diagonal(), 0.0)
    explained = np.einsum("pc,pc->c", cross, np.linalg.solve(observed + noise * np.eye(len(observed)), cross))
    return np.maximum(covariance.diagonal()[:count] - explained, 0.0)
