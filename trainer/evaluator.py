"""Scores from raw logits, computed outside the candidate's process. Numpy only; the child never sees a target.

nats per byte = mean over asked positions of  logsumexp(logits) - logits[target]
bits per byte = nats per byte / ln 2
recall        = share of asked positions where the largest logit is the target's
"""

import math
from dataclasses import dataclass

import numpy as np

from trainer.tasks.mqar import IGNORE


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

    @property
    def bits(self) -> float:
        """Bits per asked position."""
        return self.loss / math.log(2)


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


def score(logits: np.ndarray, targets: np.ndarray) -> Score:
    """Return the score of logits [B, T, V] on targets [B, T] (IGNORE: not asked). Raises BadLogits."""
    check_logits(logits, (*targets.shape, logits.shape[-1]))
    asked = targets != IGNORE
    loss = negative_log_likelihood(logits[asked], targets[asked]).mean()
    right = (logits.argmax(axis=-1) == targets) & asked
    per_sequence = right.sum(axis=1) / asked.sum(axis=1)  # [B]
    stderr = per_sequence.std(ddof=1) / math.sqrt(len(per_sequence)) if len(per_sequence) > 1 else 0.0
    return Score(float(loss), float(right.sum() / asked.sum()), float(stderr))


def disagreement(full: np.ndarray, prefix: np.ndarray) -> float:
    """Return the largest difference between probabilities from whole and from cut-off sequences, both [B, V].

    A causal model's answer at a position can't depend on whether the sequence goes on.
    """
    return float(np.abs(_softmax(full) - _softmax(prefix)).max())


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [B, V]."""
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
