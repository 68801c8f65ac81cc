"""Language modelling: windows of a text at random places, the next token as the target of each."""

import numpy as np

from trainer.tasks.batch import Batch, shifted
from trainer.tasks.kinds import Language

GOLDEN_RATIO = 0.6180339887498949
"""Where in a gap a shard's window begins, as a share of it: multiples of the golden ratio keep shards apart."""


def training_batch(task: Language, tokens: np.ndarray, rng: np.random.Generator) -> Batch:
    """Return `batch` windows of the text ([N] whole numbers): inputs and targets [B, T] int64, shifted by one."""
    return _windows(tokens, rng.integers(0, len(tokens) - task.length, task.batch), task.length)


def held_out(task: Language, tokens: np.ndarray, shard: int = 0) -> Batch:
    """Return windows spread evenly over the text: the same for every candidate.

    Another shard has windows of its own, one in each gap between those of shard 0.
    """
    last = len(tokens) - task.length - 1
    if shard:
        gaps = max(task.held_out - 1, 1)
        starts = (np.arange(gaps) + shard * GOLDEN_RATIO % 1.0) * (last / gaps)
    else:
        starts = np.linspace(0, last, task.held_out)
    return _windows(tokens, starts.astype(np.int64), task.length)


def _windows(tokens: np.ndarray, starts: np.ndarray, length: int) -> Batch:
    """Return the windows that begin at these places."""
    return shifted(tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64))
