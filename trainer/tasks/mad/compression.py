"""Compression: random tokens and a closing token; all of them have to be decoded from the last position.

    d a c a b c >                                    targets: d a c a b c >

The model is no language model here: `trainer.inside.autoencoder` passes its last output, with each position in turn, to
a small decoder that sees nothing else.
"""

import numpy as np

from trainer.tasks.batch import Batch
from trainer.tasks.kinds import Compression


def draw(task: Compression, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length], which are the same."""
    inputs = rng.integers(0, task.vocabulary - 1, (rows, task.length))
    inputs[:, -1] = task.vocabulary - 1
    return Batch(inputs, inputs.copy())
