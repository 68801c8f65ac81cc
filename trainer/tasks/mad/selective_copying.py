"""Selective copying: tokens are scattered among blanks; after a separator the model repeats them in order.

    . a . . b . c | > . . .                          targets: a b c at the three blanks after the separator

As published, blanks precede tokens and never follow the last one. Training and evaluation have the same targets, and
nothing is shifted: the target of a blank is predicted at that blank.
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import SelectiveCopying


def draw(task: SelectiveCopying, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]."""
    blanks = task.length - 2 * task.copied - 1
    separator, blank = task.vocabulary - 1, task.vocabulary - 2
    tokens = rng.integers(0, blank, (rows, task.copied))
    before = np.sort(rng.integers(0, task.copied, (rows, blanks)), axis=1)  # the token that each blank precedes
    counts = np.apply_along_axis(np.bincount, 1, before, minlength=task.copied) if blanks else np.zeros_like(tokens)

    inputs = np.full((rows, task.length), blank)
    np.put_along_axis(inputs, np.arange(task.copied) + counts.cumsum(axis=1), tokens, axis=1)
    inputs[:, blanks + task.copied] = separator
    targets = np.full((rows, task.length), IGNORED_TARGET)
    targets[:, -task.copied :] = tokens
    return Batch(inputs, targets)
