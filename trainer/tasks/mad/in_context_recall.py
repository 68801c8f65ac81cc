"""In-context recall, and noisy recall: pairs of a key and its value, drawn again and again until the sequence is full.

    k3 v1 k0 v5 k3 v1 n2 n7 k1 v0 k0 v5            asked: v1 after the second k3, v5 after the second k0

Keys are the lower half of the tokens, values the upper half, noise (where there is any) comes after both. Within a
sequence a key keeps its value, drawn at first use. The last pair repeats a key that has been seen. Training predicts
every next token; the evaluation asks only for values whose key was seen before (the paper's `multi_query`).
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch, shifted
from trainer.tasks.kinds import InContextRecall


def draw(task: InContextRecall, rows: int, rng: np.random.Generator, *, training: bool) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length - 1]. Raises ValueError for an odd length."""
    if task.length % 2 or task.vocabulary - task.noise_vocabulary < 2:
        raise ValueError(f"pairs need an even length and two tokens, not {task.length} and {task.vocabulary}")
    tokens = task.vocabulary - task.noise_vocabulary
    half, pairs = tokens // 2, task.length // 2 - 1
    keys = rng.integers(0, half, (rows, pairs))
    noisy = _noise(task, rows, pairs, rng)
    first = _first_use(keys, noisy, half)  # [rows, keys]
    asked = (rng.random((rows, half)) * (first < pairs)).argmax(axis=1)  # one that has been seen
    keys = np.concatenate([keys, asked[:, None]], axis=1)
    value_of = rng.integers(half, tokens, (rows, half))

    sequences = np.stack([keys, np.take_along_axis(value_of, keys, axis=1)], axis=2)  # [rows, pairs + 1, 2]
    if noisy.any():
        sequences[:, :-1][noisy] = rng.integers(tokens, task.vocabulary, (int(noisy.sum()), 2))
    batch = shifted(sequences.reshape(rows, task.length))
    if training:
        return batch
    known = np.take_along_axis(first, keys, axis=1) < np.arange(pairs + 1)
    known[:, :-1] &= ~noisy
    targets = np.full_like(batch.targets, IGNORED_TARGET)
    targets[:, ::2] = np.where(known, sequences[:, :, 1], IGNORED_TARGET)
    return Batch(batch.inputs, targets)


def _noise(task: InContextRecall, rows: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Return [rows, pairs]: which pairs are noise. At least one pair of each sequence is not."""
    noisy = rng.random((rows, pairs)) < task.noise
    noisy[np.arange(rows), rng.integers(0, pairs, rows)] = False
    return noisy


def _first_use(keys: np.ndarray, noisy: np.ndarray, count: int) -> np.ndarray:
    """Return [rows, count]: the pair at which each key stands first, or the number of pairs where it doesn't."""
    rows, pairs = keys.shape
    first = np.full((rows, count), pairs)
    for at in reversed(range(pairs)):
        used = np.flatnonzero(~noisy[:, at])
        first[used, keys[used, at]] = at
    return first
