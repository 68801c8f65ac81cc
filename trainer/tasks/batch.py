"""A batch, the same for every task: input tokens, and the target at each position."""

from typing import NamedTuple

import numpy as np

IGNORED_TARGET = -100
"""Target of a position that has none; losses and scores leave it out."""


class Batch(NamedTuple):
    """Input tokens and targets."""

    inputs: np.ndarray
    """[B, T] int64."""
    targets: np.ndarray
    """[B, T] int64, IGNORED_TARGET at positions without a target."""


def next_token_batch(sequences: np.ndarray) -> Batch:
    """Return sequences [B, T + 1] as inputs [B, T] and the token after each as targets [B, T]."""
    return Batch(sequences[:, :-1], sequences[:, 1:])
