"""Byte-level language modelling: windows of a corpus at random places, the next byte as the target of each."""

import numpy as np

from trainer.scales import Text
from trainer.tasks.mqar import Batch


def training_batch(task: Text, corpus: np.ndarray, rng: np.random.Generator) -> Batch:
    """Return `batch` windows of the corpus ([N] uint8): inputs and targets [B, T] int64, shifted by one."""
    starts = rng.integers(0, len(corpus) - task.length, task.batch)
    return shifted(corpus[starts[:, None] + np.arange(task.length + 1)].astype(np.int64))


def shifted(windows: np.ndarray) -> Batch:
    """Return windows [B, T + 1] as inputs [B, T] and the byte after each as targets [B, T]."""
    return Batch(windows[:, :-1], windows[:, 1:])
