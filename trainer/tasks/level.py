"""The evaluation of one level of a task: its sequences, and decoys that hide how a sequence goes on.

window       a b c d e f g h
decoy        r s t u v w x y
cut at 2     a b c u v w x y        scored: the prediction of d at position 2; d is nowhere in the input
"""

from typing import NamedTuple, Self

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch


class Level(NamedTuple):
    """Sequences of one length, and as many decoys of the same kind."""

    windows: Batch
    """Inputs and targets [B, T]."""
    decoys: np.ndarray
    """[B, T] inputs of other sequences; none of them shows a target of a window."""
    places: np.ndarray | None = None
    """[B] where in its text each window lies, in order; None if the task is not on text."""

    @classmethod
    def from_batch(cls, batch: Batch) -> Self:
        """Return a level whose decoys are the second half of a batch of independent sequences [2 B, T]."""
        half = len(batch.inputs) // 2
        return cls(Batch(batch.inputs[:half], batch.targets[:half]), batch.inputs[half:])

    def draw_cuts(self, rng: np.random.Generator) -> np.ndarray:
        """Return a position [B] in each window, each of its positions with a target as likely as the others."""
        order = rng.random(self.windows.targets.shape)
        return np.where(self.windows.targets == IGNORED_TARGET, -1.0, order).argmax(axis=1)

    def cut(self, positions: np.ndarray) -> np.ndarray:
        """Return the windows up to and including a position each [B], continued by their decoys: inputs [B, T]."""
        is_past = np.arange(self.decoys.shape[1]) <= positions[:, None]
        return np.where(is_past, self.windows.inputs, self.decoys)
