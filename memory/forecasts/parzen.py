"""A tree-structured Parzen estimator over tokens: log l(x) − log g(x) (Bergstra et al., 2011).

l is the density of the good designs, the best share γ of all; g is that of the others. Each density is a product over
tokens: the smoothed share of its designs that have the token, or lack it. So units of an absent path count as absent,
which is what makes the estimator follow the tree of choices.
"""

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from memory.forecasts.features import Flags, Matrix, Tokens, Vocabulary

GOOD_PER_ROOT = 0.5
"""γ n = ceil(0.5 √n) designs are good, at most MAX_GOOD: √n keeps the good ones few as their number grows."""
MAX_GOOD = 25
PRIOR_WEIGHT = 1.0
"""Designs that the prior, the share of the token among all, counts as in either density."""


class Parzen:
    """Two densities of designs."""

    def __init__(self, designs: Sequence[Tokens], objectives: Sequence[float]) -> None:
        """Divide designs, given with their objectives, into good ones and others."""
        self._vocabulary = Vocabulary(designs)
        present = self._vocabulary.matrix(designs) > 0
        order = np.argsort(-np.asarray(objectives), kind="stable")
        count = min(MAX_GOOD, ceil(GOOD_PER_ROOT * sqrt(len(designs))))
        self._good, self._others = present[order[:count]], present[order[count:]]
        self._prior = np.clip(present.mean(axis=0), 0.01, 0.99)

    def ratios(self, designs: Sequence[Tokens], pending: Sequence[Tokens]) -> Matrix:
        """Return log l(x) − log g(x) [designs]; designs under way count among the others, so that slots spread."""
        others = np.concatenate([self._others, self._vocabulary.matrix(pending) > 0])
        present = self._vocabulary.matrix(designs) > 0
        return self._log_density(present, self._good) - self._log_density(present, others)

    def _log_density(self, present: Flags, sample: Flags) -> Matrix:
        """Return the log density [designs] that a sample gives to designs."""
        share = (sample.sum(axis=0) + PRIOR_WEIGHT * self._prior) / (len(sample) + PRIOR_WEIGHT)
        return np.where(present, np.log(share), np.log1p(-share)).sum(axis=1)
