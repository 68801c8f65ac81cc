"""Memorization: a key, then a sign at which its value is to be said. The value stands nowhere: it has to be known.

    k7 > k2 > k7 >                                   asked: value of k7, value of k2, value of k7, each at its sign

Which value a key has is drawn once and holds in training and evaluation. Here that depends on the run's seed, where the
paper's code has one map for all: a candidate's source can't contain it.
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import Memorization


def draw(task: Memorization, rows: int, rng: np.random.Generator, seed: int) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]; `seed` is the map's. Raises ValueError."""
    half = (task.vocabulary - 1) // 2
    if task.length % 2 or half < 1:
        raise ValueError(f"pairs need an even length and three tokens, not {task.length} and {task.vocabulary}")
    # Values are one more than keys where the tokens are odd in number, so one is never used.
    value_of = half + np.random.default_rng(seed).permutation(task.vocabulary - 1 - half)[:half]
    keys = rng.integers(0, half, (rows, task.length // 2))
    inputs = np.full((rows, task.length), task.vocabulary - 1)
    inputs[:, ::2] = keys
    targets = np.full((rows, task.length), IGNORED_TARGET)
    targets[:, 1::2] = value_of[keys]
    return Batch(inputs, targets)
