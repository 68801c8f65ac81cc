"""How each kind of task is drawn: batch after batch for training, all at once for the evaluation."""

from collections.abc import Callable, Iterator

import numpy as np

from trainer.tasks import language, mqar
from trainer.tasks.batch import Batch
from trainer.tasks.kinds import (
    Compression,
    FuzzyRecall,
    InContextRecall,
    Mad,
    Memorization,
    Recall,
    SelectiveCopying,
    Task,
)
from trainer.tasks.mad import compression, fuzzy_recall, in_context_recall, memorization, selective_copying

Draw = Callable[[int], Batch]
"""Training step -> its batch."""


def batches(task: Task, steps: int, seed: int, tokens: np.ndarray | None) -> Draw:
    """Return how a task's batches are drawn: `tokens` are the training text, for a task that reads one.

    The generator is the task's own, so tasks don't disturb each other.
    """
    rng = np.random.default_rng(seed)
    if isinstance(task, Recall):
        return lambda step: mqar.training_batch(task, step, steps, rng)
    if isinstance(task, Mad):
        examples = _mad(task, min(task.examples, steps * task.batch), rng, seed, training=True)
        order = _epochs(len(examples.inputs), task.batch, rng)
        return lambda _: _rows(examples, next(order))
    assert tokens is not None, "a task on text is given its text"
    return lambda _: language.training_batch(task, tokens, rng)


def held_out(
    task: Task, rng: np.random.Generator, training_seed: int, tokens: np.ndarray | None, shard: int = 0
) -> list[Batch]:
    """Return the evaluation, level by level; `tokens` are the text that is scored, for a task that reads one.

    A shard has its own windows of the text; what is generated hangs on the seeds.
    """
    if isinstance(task, Recall):
        return mqar.held_out(task, rng)
    if isinstance(task, Mad):
        return [_mad(task, task.held_out, rng, training_seed, training=False)]
    assert tokens is not None, "a task on text is given its text"
    return [language.held_out(task, tokens, shard)]


def _mad(task: Mad, rows: int, rng: np.random.Generator, training_seed: int, *, training: bool) -> Batch:
    """Return sequences of a task of mechanistic architecture design."""
    match task:
        case InContextRecall():
            return in_context_recall.draw(task, rows, rng, training=training)
        case FuzzyRecall():
            return fuzzy_recall.draw(task, rows, rng, training=training)
        case SelectiveCopying():
            return selective_copying.draw(task, rows, rng)
        case Compression():
            return compression.draw(task, rows, rng)
        case Memorization():
            return memorization.draw(task, rows, rng, training_seed)
    raise AssertionError(f"no generator of {task.kind}")


def _epochs(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield which examples a batch has: all of them in a new order, then again."""
    left = np.empty(0, np.int64)
    while True:
        while len(left) < batch:
            left = np.concatenate([left, rng.permutation(count)])
        yield left[:batch]
        left = left[batch:]


def _rows(examples: Batch, which: np.ndarray) -> Batch:
    """Return some of the examples."""
    return Batch(examples.inputs[which], examples.targets[which])
