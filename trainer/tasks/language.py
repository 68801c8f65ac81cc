"""Language modelling: windows of a text, with the next token as the target at each position."""

import numpy as np

from trainer.tasks.batch import Batch, next_token_batch
from trainer.tasks.kinds import TextTask

GOLDEN_RATIO = 0.6180339887498949
"""Multiples of it, modulo 1, place each shard's windows within the gaps of shard 0 and keep shards apart."""


def training_batch(task: TextTask, tokens: np.ndarray, rng: np.random.Generator) -> Batch:
    """Return `batch` windows at random places of the text [N]: inputs and targets [B, T] int64, shifted by one."""
    return _windows(tokens, rng.integers(0, len(tokens) - task.length, task.batch), task.length)


def evaluation_batch(task: TextTask, tokens: np.ndarray, shard: int = 0) -> Batch:
    """Return windows spread evenly over the text [N], the same for every candidate.

    Another shard has other windows, one in each gap between those of shard 0.
    """
    last = len(tokens) - task.length - 1
    if shard:
        gaps = max(task.held_out - 1, 1)
        starts = (np.arange(gaps) + shard * GOLDEN_RATIO % 1.0) * (last / gaps)
    else:
        starts = np.linspace(0, last, task.held_out)
    return _windows(tokens, starts.astype(np.int64), task.length)


def _windows(tokens: np.ndarray, starts: np.ndarray, length: int) -> Batch:
    return next_token_batch(tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64))
