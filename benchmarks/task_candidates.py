"""Tasks that were tried in place of a rung's, or with them, for `benchmarks.task_noise`.

A changed task differs from the rung's in one or two settings, so that a difference has a reason, and it keeps the name,
so that data and first weights have the seeds of the lab's run. `docs/explanation/tasks.md` has the results.
"""

from dataclasses import replace

from trainer.scales import Scale
from trainer.tasks.kinds import Compression, Recall, SelectiveCopying, StateTracking, Task

MATRIX_WEIGHT_DECAY = 0.1
PUBLISHED_LEVELS = ((8, 2), (16, 4), (32, 8), (64, 16))
"""Of recall at nano with published sequences: a quarter as many pairs as tokens."""
PLAIN_FIRST_REBOUND = 0.4
"""Binds 0, 1, 3 and 6 pairs of these levels again: none of the first."""
LEARNING_RATE = 1e-2
"""Of the added tasks; the rung's text has the same at nano."""


def candidates(scale: Scale) -> dict[str, tuple[str, Task]]:
    """Return the name in the rung, and the settings, of every candidate by its own name."""
    name = scale.fitness_recall_task
    recall = scale.tasks[name]
    assert isinstance(recall, Recall)
    published = replace(recall, rebound=0.0, filler="random", levels=PUBLISHED_LEVELS)
    blank_rebound = replace(published, filler="blank", rebound=0.5)
    changed = {
        "recall-published": published,
        "recall-blank": replace(published, filler="blank"),
        "recall-rebound": replace(published, rebound=0.5),
        "recall-blank-rebound": blank_rebound,
        "recall-plain-first-level": replace(blank_rebound, rebound=PLAIN_FIRST_REBOUND),
        "recall-three-levels": replace(blank_rebound, levels=PUBLISHED_LEVELS[1:]),
        "recall-two-levels": replace(blank_rebound, levels=PUBLISHED_LEVELS[1:3]),
    }
    return {candidate: (name, task) for candidate, task in changed.items()} | added(recall.held_out)


def added(held_out: int) -> dict[str, tuple[str, Task]]:
    """Return the candidates that no rung has, each with half as many tokens a step as recall at nano."""
    common = {"learning_rate": LEARNING_RATE, "weight_decay": MATRIX_WEIGHT_DECAY, "held_out": held_out}
    return {
        "parity": ("tracking", StateTracking(kind="state_tracking", symbols=2, batch=16, length=32, **common)),
        "permutations": ("tracking", StateTracking(kind="state_tracking", symbols=3, batch=32, length=16, **common)),
        "copying": ("copying", SelectiveCopying(kind="mad.selective_copying", batch=16, length=32, copied=6, **common)),
        "compression": ("compression", Compression(kind="mad.compression", batch=32, length=16, **common)),
    }
