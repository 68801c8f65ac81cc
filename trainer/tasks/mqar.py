"""Multi-query associative recall (Arora et al., arXiv 2312.04927), generated on the fly.

A sequence opens with key-value pairs. Each key occurs once more later, and there the model has to predict its value:

    k1 v1 k2 v2 k3 v3 | . k2 . . k1 . . k3 . .        targets: v2 at the second k2, v1 at the second k1, ...

As published: keys are drawn without replacement from the lower half of the vocabulary (without 0), values from the
upper half; questions are placed at even offsets whose distances follow a power law; all other tokens are random;
training has short sequences of few pairs and long ones of many. Here training climbs from the former to the latter,
which shortens the plateau before recall is learned from minutes to seconds. A fixed-size state has to hold every pair
at once.

A share of the pairs can be `rebound`: they bind a key that the sequence also has elsewhere to another value. Then the
last value counts, as in the task that introduced the delta rule (arXiv 2102.11174, keys drawn with replacement).
Additive updates leave a blend of both values; a decay favours new pairs over all old ones.

The random tokens between the questions can be `blank`. With the published vocabulary of 8,192 they are hardly ever a
key of the sequence. With 40 tokens they often are, and then bind it to noise before its question comes.
"""

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.kinds import Recall
from trainer.tasks.level import Level

BLANK = 0
"""A token that is neither a key nor a value."""


def draw(task: Recall, level: int, rows: int, rng: np.random.Generator) -> Batch:
    """Return `rows` sequences of a level, inputs and targets [rows, length]."""
    (length, pairs), half = task.levels[level], task.vocabulary // 2
    context = 2 * pairs
    keys = 1 + _distinct(rng, rows, half - 1, pairs)  # [rows, pairs]
    if rebound := int(task.rebound * pairs):
        keys[:, pairs - rebound :] = keys[:, :rebound]
        keys = rng.permuted(keys, axis=1)
    values = half + _distinct(rng, rows, task.vocabulary - half, pairs)  # [rows, pairs]
    last = _last_use(keys)  # [rows, distinct keys]
    questions = context + 2 * _gaps(rng, rows, (length - context) // 2, last.shape[1], task.power)

    inputs = rng.integers(0, task.vocabulary, (rows, length))
    if task.filler == "blank":
        inputs[:] = BLANK
    inputs[:, 0:context:2], inputs[:, 1:context:2] = keys, values
    np.put_along_axis(inputs, questions, np.take_along_axis(keys, last, 1), axis=1)
    targets = np.full((rows, length), IGNORED_TARGET)
    np.put_along_axis(targets, questions, np.take_along_axis(values, last, 1), axis=1)
    return Batch(inputs, targets)


def training_batch(task: Recall, step: int, steps: int, rng: np.random.Generator) -> Batch:
    """Return the batch of a training step (from 0): each level has an equal share of the steps, and of the tokens."""
    level = step * len(task.levels) // steps
    return draw(task, level, task.batch * task.length // task.levels[level][0], rng)


def evaluation_levels(task: Recall, rng: np.random.Generator) -> list[Level]:
    """Return the evaluation of each level, of `held_out` sequences."""
    batches = (draw(task, level, 2 * task.held_out, rng) for level in range(len(task.levels)))
    return [Level.from_batch(batch) for batch in batches]


def _distinct(rng: np.random.Generator, rows: int, population: int, size: int) -> np.ndarray:
    """Return [rows, size] numbers of 0 .. population - 1, drawn without replacement within a row."""
    return rng.random((rows, population)).argsort(axis=1)[:, :size]


def _last_use(keys: np.ndarray) -> np.ndarray:
    """Return the pair at which each key occurs last: [rows, distinct keys] of keys [rows, pairs]."""
    later = np.tril(keys[:, :, None] == keys[:, None, :], -1).any(1)  # [rows, pairs]: the key comes again
    return np.nonzero(~later)[1].reshape(len(keys), -1)


def _gaps(rng: np.random.Generator, rows: int, space: int, size: int, power: float) -> np.ndarray:
    """Return [rows, size] distinct offsets below `space`, the i-th with weight proportional to i^(power - 1).

    Weighted sampling without replacement is the order of log-weights with Gumbel noise added.
    """
    log_weight = (power - 1) * np.log(np.arange(1, space + 1))
    return (-(log_weight + rng.gumbel(size=(rows, space)))).argsort(axis=1)[:, :size]
