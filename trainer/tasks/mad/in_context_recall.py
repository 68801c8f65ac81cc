"""In-context recall, and noisy recall: a sequence of pairs of a key and its value, in which keys repeat.

    k3 v1 k0 v5 k3 v1 n2 n7 k1 v0 k0 v5            targets: v1 after the second k3, v5 after the second k0

Keys are the lower half of the tokens, values the upper half, and any noise comes after both. Within a sequence a key
keeps its value. The last pair repeats an earlier key. Training predicts every next token; the evaluation has targets
only for the values of repeated keys (the paper's `multi_query`).
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch, next_token_batch
from trainer.tasks.kinds import InContextRecall


def draw(task: InContextRecall, rows: int, rng: np.random.Generator, *, training: bool) -> Batch:
    """Return `rows` sequences, inputs and targets [rows, length - 1].

    Raises ValueError for an odd length or fewer than two tokens.
    """
    if task.length % 2 or task.vocabulary - task.noise_vocabulary < 2:
        raise ValueError(
            f"length ({task.length}) or vocabulary ({task.vocabulary}, {task.noise_vocabulary} of noise) does not fit; "
            f"hint: choose an even length and at least two tokens that are no noise"
        )
    tokens = task.vocabulary - task.noise_vocabulary
    half, pairs = tokens // 2, task.length // 2 - 1
    keys = rng.integers(0, half, (rows, pairs))
    noisy = _noise(task, rows, pairs, rng)
    first = _first_use(keys, noisy, half)  # [rows, keys]
    last_key = (rng.random((rows, half)) * (first < pairs)).argmax(axis=1)  # an earlier key
    keys = np.concatenate([keys, last_key[:, None]], axis=1)
    value_of = rng.integers(half, tokens, (rows, half))

    sequences = np.stack([keys, np.take_along_axis(value_of, keys, axis=1)], axis=2)  # [rows, pairs + 1, 2]
    if noisy.any():
        sequences[:, :-1][noisy] = rng.integers(tokens, task.vocabulary, (int(noisy.sum()), 2))
    batch = next_token_batch(sequences.reshape(rows, task.length))
    if training:
        return batch
    repeated = np.take_along_axis(first, keys, axis=1) < np.arange(pairs + 1)
    repeated[:, :-1] &= ~noisy
    targets = np.full_like(batch.targets, IGNORED_TARGET)
    targets[:, ::2] = np.where(repeated, sequences[:, :, 1], IGNORED_TARGET)
    return Batch(batch.inputs, targets)


def _noise(task: InContextRecall, rows: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    """Return whether each pair [rows, pairs] is noise; at least one pair of each sequence is not."""
    noisy = rng.random((rows, pairs)) < task.noise
    noisy[np.arange(rows), rng.integers(0, pairs, rows)] = False
    return noisy


def _first_use(keys: np.ndarray, noisy: np.ndarray, count: int) -> np.ndarray:
    """Return the pair [rows, count] at which each key occurs first, or the number of pairs if it never does."""
    rows, pairs = keys.shape
    first = np.full((rows, count), pairs)
    for at in reversed(range(pairs)):
        used = np.flatnonzero(~noisy[:, at])
        first[used, keys[used, at]] = at
    return first
