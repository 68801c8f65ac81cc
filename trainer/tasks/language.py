"""Language modelling: windows of a text at random places, the next token as the target of each."""

import numpy as np

from trainer.tasks.batch import Batch, shifted
from trainer.tasks.kinds import Language


def training_batch(task: Language, tokens: np.ndarray, rng: np.random.Generator) -> Batch:
    """Return `batch` windows of the text ([N] whole numbers): inputs and targets [B, T] int64, shifted by one."""
    return _windows(tokens, rng.integers(0, len(tokens) - task.length, task.batch), task.length)


def held_out(task: Language, tokens: np.ndarray) -> Batch:
    """Return windows spread evenly over the text: the same for every candidate."""
    starts = np.linspace(0, len(tokens) - task.length - 1, task.held_out).astype(np.int64)
    return _windows(tokens, starts, task.length)


def _windows(tokens: np.ndarray, starts: np.ndarray, length: int) -> Batch:
    """Return the windows that begin at these places."""
    return shifted(tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64))
