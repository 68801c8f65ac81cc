"""Scores from raw logits, computed outside the candidate's process. Numpy only; a worker never sees a target.

A target position is one whose target is not IGNORED_TARGET.

nats per target = mean over target positions of  logsumexp(logits) - logits[target]
nats per byte   = nats per target / mean bytes of a target
bits per byte   = nats per byte / ln 2
accuracy        = share of target positions whose largest logit is the target's
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bus.vocabulary.events import Measure
from trainer.tasks.batch import IGNORED_TARGET


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
        text = {"nats_per_byte": self.nats_per_byte, "bits_per_byte": self.bits_per_byte}
        return measures | {name: Measure(value=value) for name, value in text.items() if value is not None}


@dataclass(frozen=True, eq=False)
class BatchScore:
    """Losses and correct answers of one batch."""

    nats: np.ndarray
    """[N] loss of each target."""
    correct: np.ndarray
    """[B] correct answers in each sequence."""
    targets: np.ndarray
    """[B] targets in each sequence."""


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


def score_batch(logits: np.ndarray, targets: np.ndarray) -> BatchScore:
    """Return the score of logits [B, T, V] on targets [B, T]. Raises BadLogits."""
    check_logits(logits, (*targets.shape, logits.shape[-1]))
    has_target = targets != IGNORED_TARGET  # [B, T]
    correct = (logits.argmax(axis=-1) == targets) & has_target
    nats = negative_log_likelihood(logits[has_target], targets[has_target])
    return BatchScore(nats, correct.sum(axis=1), has_target.sum(axis=1))


def combine_batches(batches: Sequence[BatchScore], bytes_per_target: float | None = None) -> Score:
    """Return the score over all batches of a task; it does not depend on how sequences were cut into batches."""
    nats = np.concatenate([batch.nats for batch in batches])
    correct = np.concatenate([batch.correct for batch in batches])
    targets = np.concatenate([batch.targets for batch in batches])
    accuracies = correct / targets  # [B]
    stderr = accuracies.std(ddof=1) / math.sqrt(len(accuracies)) if len(accuracies) > 1 else 0.0
    return Score(float(nats.mean()), float(correct.sum() / targets.sum()), float(stderr), bytes_per_target)


def mean_score(levels: Sequence[Score]) -> Score:
    """Return the mean over levels of difficulty, each with the same weight."""
    count = len(levels)
    loss = sum(level.loss for level in levels) / count
    accuracy = sum(level.accuracy for level in levels) / count
    stderr = math.sqrt(sum(level.stderr**2 for level in levels)) / count
    return Score(loss, accuracy, stderr, levels[0].bytes_per_target)


def disagreement(whole: np.ndarray, prefix: np.ndarray) -> float:
    """Return the largest difference between two sets of probabilities, given as logits [B, V] each.

    One comes from whole sequences, the other from their prefixes. For a causal model both are equal.
    """
    return float(np.abs(_softmax(whole) - _softmax(prefix)).max())


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
