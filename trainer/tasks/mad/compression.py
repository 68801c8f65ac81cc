"""Compression: random tokens and a closing sign; every one is to be read out of what the last position holds.

    d a c a b c >                                    asked: d a c a b c >

The model is not a language model here: `trainer.inside.autoencoder` gives its last output, with a position each, to a
small decoder that sees nothing else.
"""

import numpy as np

from trainer.tasks.batch import Batch
from trainer.tasks.kinds import Compression


def draw(task: Compression, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length], which are the same."""
    inputs = rng.integers(0, task.vocabulary - 1, (rows, task.length))
    inputs[:, -1] = task.vocabulary - 1
    return Batch(inputs, inputs.copy())
