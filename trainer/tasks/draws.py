"""Draws the batches of every kind of task: one by one for training, all at once for the evaluation."""

from collections.abc import Callable, Iterator

import numpy as np

from trainer.tasks import language, mqar, state_tracking
from trainer.tasks.batch import Batch
from trainer.tasks.kinds import (
    Compression,
    FuzzyRecall,
    InContextRecall,
    MadTask,
    Memorization,
    Recall,
    SelectiveCopying,
    StateTracking,
    Task,
)
from trainer.tasks.level import Level
from trainer.tasks.mad import compression, fuzzy_recall, in_context_recall, memorization, selective_copying

Draw = Callable[[int], Batch]
"""Training step, from 0 -> its batch."""


def training_draw(task: Task, steps: int, seed: int, tokens: np.ndarray | None) -> Draw:
    """Return the function that draws a task's batches; it must be called for every step, in order.

    `tokens` [N] is the training text of a task on text. Each task has a generator of its own, so that tasks do not
    affect each other.
    """
    rng = np.random.default_rng(seed)
    if isinstance(task, Recall):
        return lambda step: mqar.training_batch(task, step, steps, rng)
    if isinstance(task, StateTracking):
        return lambda _: state_tracking.draw(task, task.batch, rng)
    if isinstance(task, MadTask):
        examples = _draw_mad(task, min(task.examples, steps * task.batch), rng, seed, training=True)
        order = _epochs(len(examples.inputs), task.batch, rng)
        return lambda _: _select(examples, next(order))
    assert tokens is not None, "a task on text needs its tokens"
    return lambda _: language.training_batch(task, tokens, rng)


def evaluation_levels(
    task: Task, rng: np.random.Generator, training_seed: int, tokens: np.ndarray | None, shard: int = 0
) -> list[Level]:
    """Return the evaluation of each level of difficulty.

    `tokens` [N] is the held-out text of a task on text; each shard has its own windows of it. All other tasks depend
    only on the generator and the seed.
    """
    if isinstance(task, Recall):
        return mqar.evaluation_levels(task, rng)
    if isinstance(task, StateTracking):
        return [state_tracking.evaluation_level(task, rng)]
    if isinstance(task, MadTask):
        return [Level.from_batch(_draw_mad(task, 2 * task.held_out, rng, training_seed, training=False))]
    assert tokens is not None, "a task on text needs its tokens"
    return [language.evaluation_level(task, tokens, shard)]


def _draw_mad(task: MadTask, rows: int, rng: np.random.Generator, training_seed: int, *, training: bool) -> Batch:
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
    """Yield the examples [batch] of each batch: all `count` of them in a new order, then again."""
    remaining = np.empty(0, np.int64)
    while True:
        while len(remaining) < batch:
            remaining = np.concatenate([remaining, rng.permutation(count)])
        yield remaining[:batch]
        remaining = remaining[batch:]


def _select(examples: Batch, rows: np.ndarray) -> Batch:
    return Batch(examples.inputs[rows], examples.targets[rows])
