"""Scores from raw logits, computed outside the candidate's process. Numpy only; a worker never sees a target.

A target position is one whose target is not IGNORED_TARGET.

nats per target = mean over target positions of  logsumexp(logits) - logits[target]
nats per byte   = nats per target / mean bytes of a target
bits per byte   = nats per byte / ln 2
accuracy        = share of target positions whose largest logit is the target's
log loss        = mean over levels of  ln(max(nats per target, MIN_LOSS))
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple, Self

import numpy as np

from bus.vocabulary.events import MAX_BLOCKS, Measure
from trainer.tasks.batch import IGNORED_TARGET

MIN_LOSS = 0.01
"""Nats per target at which a log loss ends: below, it only says how sure a model is of what it has learned."""


class BadLogits(ValueError):
    """Logits that can't be scored; the message gives the reason in one line."""


@dataclass(frozen=True)
class Score:
    """The score of one task."""

    loss: float
    """Nats per target."""
    accuracy: float
    """Share of targets that have the largest logit."""
    stderr: float
    """Standard error of the accuracy, over sequences: positions of one sequence are not independent."""
    bytes_per_target: float | None = None
    """Mean bytes of a target; None if the task is not on text."""
    level_losses: tuple[float, ...] = ()
    """The loss of each level, if this is the mean over levels."""
    blocks: tuple[float, ...] = ()
    """Nats per byte of each block of the text, in its order; empty if the task is not on text."""

    @property
    def log_loss(self) -> float:
        """The mean log of the levels' losses: it tells designs apart where accuracy is at its ceiling."""
        return fmean(math.log(max(loss, MIN_LOSS)) for loss in self.level_losses or (self.loss,))

    @property
    def nats_per_byte(self) -> float | None:
        """The loss in a unit that does not depend on the tokens; None if the task is not on text."""
        return None if self.bytes_per_target is None else self.loss / self.bytes_per_target

    @property
    def bits_per_byte(self) -> float | None:
        """The loss in bits per byte; None if the task is not on text."""
        return None if self.nats_per_byte is None else self.nats_per_byte / math.log(2)

    def measures(self) -> dict[str, Measure]:
        """Return the measures that RunCompleted reports; a new one is a new entry."""
        measures = {
            "loss": Measure(value=self.loss),
            "accuracy": Measure(value=self.accuracy, stderr=self.stderr),
        }
        if self.nats_per_byte is None:
            return measures | {"log_loss": Measure(value=self.log_loss)}
        text = {"nats_per_byte": self.nats_per_byte, "bits_per_byte": self.bits_per_byte}
        return measures | {name: Measure(value=value) for name, value in text.items() if value is not None}


class Answers(NamedTuple):
    """What a model's logits are worth at every position of some sequences."""

    nats: np.ndarray
    """[B, T] loss of each target; 0 where there is none."""
    correct: np.ndarray
    """[B, T] whether the target's logit is the largest; False where there is no target."""
    has_target: np.ndarray
    """[B, T]."""

    def at(self, positions: np.ndarray) -> Self:
        """Return the answers at one position [B] of each sequence, as [B, 1]."""
        return type(self)(*(np.take_along_axis(part, positions[:, None], axis=1) for part in self))


def check_logits(logits: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise BadLogits if logits have another shape or are not finite."""
    if logits.shape != shape:
        raise BadLogits(f"logits have shape {list(logits.shape)}, asked for {list(shape)}")
    if not np.isfinite(logits).all():
        raise BadLogits(f"{np.count_nonzero(~np.isfinite(logits))} of {logits.size} logits are not finite")


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return nats [N] of targets [N] under logits [N, V], in double precision."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=-1, keepdims=True)  # [N, 1]
    normaliser = top[:, 0] + np.log(np.exp(wide - top).sum(axis=-1))  # [N]
    return normaliser - np.take_along_axis(wide, targets[:, None], axis=-1)[:, 0]


def score_logits(logits: np.ndarray, targets: np.ndarray) -> Answers:
    """Return the worth of logits [B, T, V] for targets [B, T]. Raises BadLogits."""
    check_logits(logits, (*targets.shape, logits.shape[-1]))
    has_target = targets != IGNORED_TARGET
    nats = np.zeros(targets.shape)
    nats[has_target] = negative_log_likelihood(logits[has_target], targets[has_target])
    return Answers(nats, (logits.argmax(axis=-1) == targets) & has_target, has_target)


def summarise(answers: Answers, bytes_per_target: float | None = None) -> Score:
    """Return the score of a task's answers."""
    nats, correct, has_target = answers
    accuracies = correct.sum(axis=1) / has_target.sum(axis=1)  # [B]
    stderr = accuracies.std(ddof=1) / math.sqrt(len(accuracies)) if len(accuracies) > 1 else 0.0
    loss, accuracy = nats.sum() / has_target.sum(), correct.sum() / has_target.sum()
    return Score(float(loss), float(accuracy), float(stderr), bytes_per_target)


def mean_score(levels: Sequence[Score]) -> Score:
    """Return the mean over levels of difficulty, each with the same weight."""
    count = len(levels)
    loss = sum(level.loss for level in levels) / count
    accuracy = sum(level.accuracy for level in levels) / count
    stderr = math.sqrt(sum(level.stderr**2 for level in levels)) / count
    losses = tuple(level.loss for level in levels)
    return Score(loss, accuracy, stderr, levels[0].bytes_per_target, losses, levels[0].blocks)


def block_means(nats: np.ndarray, target_bytes: np.ndarray, places: np.ndarray) -> tuple[float, ...]:
    """Return the nats per byte of at most MAX_BLOCKS blocks of neighbouring windows, in the order of the text.

    `nats` and `target_bytes` [B, T] are the loss and the size of every target, `places` [B] the order of the windows.
    """
    order = np.argsort(places)
    blocks = np.array_split(order, min(MAX_BLOCKS, len(order)))
    return tuple(float(nats[rows].sum() / target_bytes[rows].sum()) for rows in blocks)
