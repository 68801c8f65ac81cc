"""What every task deals in: tokens, and what should be said at each."""

from typing import NamedTuple

import numpy as np

IGNORED_TARGET = -100
"""Target of a position that asks nothing."""


class Batch(NamedTuple):
    """Tokens and what should follow them."""

    inputs: np.ndarray
    """[B, T] int64."""
    targets: np.ndarray
    """[B, T] int64, IGNORE where nothing is asked."""


def shifted(sequences: np.ndarray) -> Batch:
    """Return sequences [B, T + 1] as inputs [B, T] and the token after each as targets [B, T]."""
    return Batch(sequences[:, :-1], sequences[:, 1:])
