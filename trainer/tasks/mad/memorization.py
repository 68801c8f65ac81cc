"""Memorization: keys, each followed by a token at which its value has to be predicted. No value is in any input.

    k7 > k2 > k7 >                                   targets: value of k7, value of k2, value of k7, each at its >

The map from keys to values is drawn once and holds in training and in evaluation. It depends on the run's seed, so a
candidate's source can't contain it; the paper's code has one map for all runs.
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import Memorization


def draw(task: Memorization, rows: int, rng: np.random.Generator, seed: int) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]; `seed` draws the map.

    Raises ValueError for an odd length or fewer than three tokens.
    """
    half = (task.vocabulary - 1) // 2
    if task.length % 2 or half < 1:
        raise ValueError(
            f"length ({task.length}) or vocabulary ({task.vocabulary}) does not fit; "
            f"hint: choose an even length and at least three tokens"
        )
    # An even vocabulary has one value more than keys, and that value is never used.
    value_of = half + np.random.default_rng(seed).permutation(task.vocabulary - 1 - half)[:half]
    keys = rng.integers(0, half, (rows, task.length // 2))
    inputs = np.full((rows, task.length), task.vocabulary - 1)
    inputs[:, ::2] = keys
    targets = np.full((rows, task.length), IGNORED_TARGET)
    targets[:, 1::2] = value_of[keys]
    return Batch(inputs, targets)
