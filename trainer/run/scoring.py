"""Scores from raw logits, computed outside the candidate's process. Numpy only; the child never sees a target.

nats per byte = mean over asked positions of  logsumexp(logits) - logits[target]
bits per byte = nats per byte / ln 2
recall        = share of asked positions where the largest logit is the target's
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainer.tasks.batch import IGNORED_TARGET


class BadLogits(ValueError):
    """What came back can't be scored; the text says why in one line."""


@dataclass(frozen=True)
class Score:
    """What one task's logits are worth."""

    loss: float
    """Nats per asked position."""
    accuracy: float
    """Share of asked positions named right."""
    stderr: float
    """Standard error of the accuracy, over sequences: positions of one sequence are not independent."""
    bytes_per_target: float | None = None
    """Mean bytes that a target stands for; None where it is no text."""

    @property
    def nats_per_byte(self) -> float | None:
        """The loss on a scale that doesn't depend on the tokens."""
        return None if self.bytes_per_target is None else self.loss / self.bytes_per_target

    @property
    def bits_per_byte(self) -> float | None:
        """The same in bits."""
        return None if self.nats_per_byte is None else self.nats_per_byte / math.log(2)


@dataclass(frozen=True, eq=False)
class AnswerMarks:
    """Every answer to some of a task's sequences, judged."""

    nats: np.ndarray
    """[N] of the asked positions."""
    right: np.ndarray
    """[B] positions named right."""
    asked: np.ndarray
    """[B] positions asked."""


def check_logits(logits: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise BadLogits where logits have another shape than asked for, or are not finite."""
    if logits.shape != shape:
        raise BadLogits(f"logits have shape {list(logits.shape)}, asked for {list(shape)}")
    if not np.isfinite(logits).all():
        raise BadLogits(f"{np.count_nonzero(~np.isfinite(logits))} of {logits.size} logits are not finite")


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return nats [N] of targets [N] under logits [N, V], in double precision."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=-1, keepdims=True)
    normaliser = top[:, 0] + np.log(np.exp(wide - top).sum(axis=-1))
    return normaliser - np.take_along_axis(wide, targets[:, None], axis=-1)[:, 0]


def mark(logits: np.ndarray, targets: np.ndarray) -> AnswerMarks:
    """Return the marks of logits [B, T, V] on targets [B, T] (IGNORE: not asked). Raises BadLogits."""
    check_logits(logits, (*targets.shape, logits.shape[-1]))
    asked = targets != IGNORED_TARGET
    right = (logits.argmax(axis=-1) == targets) & asked
    return AnswerMarks(negative_log_likelihood(logits[asked], targets[asked]), right.sum(axis=1), asked.sum(axis=1))


def score(marks: Sequence[AnswerMarks], bytes_per_target: float | None = None) -> Score:
    """Return the score of sequences of one kind, marked in any number of pieces."""
    nats, right, asked = (np.concatenate([getattr(m, part) for m in marks]) for part in ("nats", "right", "asked"))
    share = right / asked  # [B]
    stderr = share.std(ddof=1) / math.sqrt(len(share)) if len(share) > 1 else 0.0
    return Score(float(nats.mean()), float(right.sum() / asked.sum()), float(stderr), bytes_per_target)


def mean(levels: Sequence[Score]) -> Score:
    """Return the mean over levels of difficulty, each of the same weight."""
    stderr = math.sqrt(sum(level.stderr**2 for level in levels)) / len(levels)
    loss, accuracy = (sum(getattr(level, part) for level in levels) / len(levels) for part in ("loss", "accuracy"))
    return Score(loss, accuracy, stderr, levels[0].bytes_per_target)


def disagreement(full: np.ndarray, prefix: np.ndarray) -> float:
    """Return the largest difference between probabilities from whole and from cut-off sequences, both [B, V].

    A causal model's answer at a position can't depend on whether the sequence goes on.
    """
    return float(np.abs(_softmax(full) - _softmax(prefix)).max())


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [B, V]."""
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
