"""Controls of the examination: what has learned nothing must not score above chance. One run of a campaign has them.

scrambled    the trained weights with the numbers of each array in a random order: an untrained twin of the same scale
shuffled     the trained model, and at each position the target of another one

An answer that knows nothing of its target costs at least the entropy of the targets, in expectation and whatever the
model is. A control whose loss is lower has seen targets, so the scores of the campaign would be worth nothing.
"""

from collections.abc import Callable, Mapping
from math import log
from typing import Literal

import numpy as np

from bus.vocabulary.events import ExamControl
from trainer.run.examination import Examination, Predict
from trainer.run.job import Job
from trainer.run.scoring import Score
from trainer.tasks.batch import IGNORED_TARGET
from trainer.tasks.level import Level
from trainer.tasks.tokens import TokenizedCorpus

Kind = Literal["scrambled", "shuffled"]
Tensors = Mapping[str, np.ndarray]
OpenPredictor = Callable[[Tensors], Predict]
"""Weights -> a predictor in a fresh process that holds them."""
TOLERANCE = 0.05
"""Share of the entropy by which sampling may take a loss below it."""


class ExaminationLeaks(ValueError):
    """A control that has learned nothing scores above chance."""


def exam_controls(
    open_predictor: OpenPredictor, tensors: Tensors, job: Job, texts: Mapping[str, TokenizedCorpus]
) -> tuple[ExamControl, ...]:
    """Return the controls of every task. Raises ExaminationLeaks, and what the examination raises."""
    rng = np.random.default_rng(job.secret_seed("controls"))
    honest, shuffled = Examination(job, texts), Examination(job, texts)
    chance = {name: _entropy(levels) for name, levels in honest.levels.items()}
    scrambled = {name: rng.permutation(array.ravel()).reshape(array.shape) for name, array in tensors.items()}
    untrained = _controls("scrambled", honest.score_whole(open_predictor(scrambled)), chance)
    shuffled.levels = {name: [_shuffled(level, rng) for level in levels] for name, levels in shuffled.levels.items()}
    return (*untrained, *_controls("shuffled", shuffled.score_whole(open_predictor(tensors)), chance))


def _controls(kind: Kind, scores: Mapping[str, Score], chance: Mapping[str, float]) -> list[ExamControl]:
    """Return one kind of control. Raises ExaminationLeaks."""
    for task, score in scores.items():
        if score.loss < (1 - TOLERANCE) * chance[task]:
            figures = f"has a loss of {score.loss:.3f}, and chance costs {chance[task]:.3f}"
            raise ExaminationLeaks(f"the {kind} control of {task} {figures}")
    return [
        ExamControl(kind=kind, task=task, loss=score.loss, accuracy=score.accuracy, chance=chance[task])
        for task, score in scores.items()
    ]


def _entropy(levels: list[Level]) -> float:
    """Return the entropy of a task's targets, nats: the mean over its levels."""
    return sum(_level_entropy(level) for level in levels) / len(levels)


def _level_entropy(level: Level) -> float:
    targets = level.windows.targets
    _, counts = np.unique(targets[targets != IGNORED_TARGET], return_counts=True)
    shares = counts / counts.sum()
    return -sum(share * log(share) for share in shares)


def _shuffled(level: Level, rng: np.random.Generator) -> Level:
    """Return the level with its targets in a random order over the positions that have one."""
    targets = level.windows.targets.copy()
    has_target = targets != IGNORED_TARGET
    targets[has_target] = rng.permutation(targets[has_target])
    return level._replace(windows=level.windows._replace(targets=targets))
