"""The surrogate: a Gaussian process over counts of tokens, with the scale of the objective and designs under way.

The process knows how sure it is, and similar designs share what is known. Extremely randomised trees, averaged with it,
took most of the time of a fit, and searches found no better designs with them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np

from memory.forecasts.features import Matrix, Tokens, Vocabulary
from memory.forecasts.process import GaussianProcess


class Surrogate:
    """A fitted model. Fitting draws nothing by chance."""

    def __init__(self, designs: Sequence[Tokens], objectives: Sequence[float]) -> None:
        """Fit designs to their objectives."""
        self._vocabulary = Vocabulary(designs)
        features, values = self._vocabulary.matrix(designs), np.asarray(objectives)
        self._centre, self.spread = float(values.mean()), float(values.std()) or 1.0
        """Standard deviation of the objectives of the fit; 1 if they are all equal."""
        with _one_thread():
            self._process = GaussianProcess(features, (values - self._centre) / self.spread)
            means = self._process.mean(features)
        self.best = float(means.max()) * self.spread + self._centre
        """The highest mean among the designs of the fit."""

    def forecast(self, designs: Sequence[Tokens], pending: Sequence[Tokens]) -> tuple[Matrix, Matrix]:
        """Return means and standard deviations [designs], as if the designs under way had come out at their means.

        A unit that no design of the fit has makes a design less certain.
        """
        rows = [*designs, *pending]
        features = np.concatenate([self._vocabulary.matrix(rows), self._vocabulary.novelty(rows)], axis=1)
        with _one_thread():
            means = self._process.mean(features[: len(designs)])
            covariance = self._process.covariance(features)
            variance = _variance_given(covariance, len(designs), self._process.noise)
        return means * self.spread + self._centre, np.sqrt(variance) * self.spread


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
