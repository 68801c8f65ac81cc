"""Language modelling: windows of a text, with the next token as the target at each position."""

import numpy as np

from trainer.tasks.batch import Batch, next_token_batch
from trainer.tasks.kinds import TextTask
from trainer.tasks.level import Level

SLOT_ORDER_SEED = 37
"""Seed of the order in which the places of a text are dealt to shards."""


def training_batch(task: TextTask, tokens: np.ndarray, rng: np.random.Generator) -> Batch:
    """Return `batch` windows at random places of the text [N]: inputs and targets [B, T] int64, shifted by one."""
    return _windows(tokens, rng.integers(0, len(tokens) - task.length, task.batch), task.length)


def evaluation_level(task: TextTask, tokens: np.ndarray, shard: int = 0) -> Level:
    """Return windows of the text [N] and decoys, the same for every candidate.

    The text is cut into places of one window each, which are dealt in a fixed random order: first the windows of shard
    0, then those of shard 1 and so on, from the beginning again when all are dealt. The decoys of a shard are the
    places after its windows. So a shard's windows and decoys never overlap. A small text has fewer windows.
    """
    places = len(tokens) // (task.length + 1)
    count = min(task.held_out, places // 2)
    order = np.random.default_rng(SLOT_ORDER_SEED).permutation(places)
    dealt = order[(shard * count + np.arange(2 * count)) % places]
    level = Level.from_batch(_windows(tokens, dealt * (task.length + 1), task.length))
    return level._replace(places=dealt[:count])


def _windows(tokens: np.ndarray, starts: np.ndarray, length: int) -> Batch:
    return next_token_batch(tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64))
