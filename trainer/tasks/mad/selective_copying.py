"""Selective copying: tokens stand scattered among blanks; after a sign they are to be said again, in order.

    . a . . b . c | > . . .                          asked: a b c at the three blanks after the sign

Blanks are strewn before the tokens, never after the last one, as published. Training and evaluation ask alike, and
nothing is shifted: what is asked is said at the blank itself.
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import SelectiveCopying


def draw(task: SelectiveCopying, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length]."""
    blanks = task.length - 2 * task.copied - 1
    sign, blank = task.vocabulary - 1, task.vocabulary - 2
    tokens = rng.integers(0, blank, (rows, task.copied))
    before = np.sort(rng.integers(0, task.copied, (rows, blanks)), axis=1)  # the token each blank stands before
    strewn = np.apply_along_axis(np.bincount, 1, before, minlength=task.copied) if blanks else np.zeros_like(tokens)

    inputs = np.full((rows, task.length), blank)
    np.put_along_axis(inputs, np.arange(task.copied) + strewn.cumsum(axis=1), tokens, axis=1)
    inputs[:, blanks + task.copied] = sign
    targets = np.full((rows, task.length), IGNORED_TARGET)
    targets[:, -task.copied :] = tokens
    return Batch(inputs, targets)
