"""The examination of a trained model: held-out inputs go in, raw logits come out, scores are computed here.

Text is scored on windows that are the same for every candidate; recall on sequences of every level, drawn from a seed
the child was never given. A few windows are asked for again, cut off: a causal model's answer can't depend on what
would have followed, whatever it did when the gates looked.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from trainer.evaluator import BadLogits, Score, check_logits, disagreement, score
from trainer.scales import Scale
from trainer.tasks import mqar
from trainer.tasks.corpus import Corpus
from trainer.tasks.text import shifted

Ask = Callable[[str, np.ndarray], np.ndarray]
"""(task, inputs [B, T] int64) -> logits [B, T, V] as the child returned them, unchecked."""
LOGITS = 1 << 20
"""Most logits asked for at once."""
CUT_WINDOWS, CUTS = 8, (0.25, 0.6, 0.9)
"""Windows asked for again, and where they are cut, as a share of their length."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Difference of probabilities that rounding explains."""


class Acausal(ValueError):
    """Answers at a position depend on what follows it."""


@dataclass(frozen=True)
class Scores:
    """What one trained architecture is worth."""

    text: Score
    """On held-out bytes."""
    recall: float
    """Mean accuracy over the levels."""
    recall_stderr: float
    """Its standard error."""


def examine(ask: Ask, scale: Scale, corpus: Corpus, seed: int) -> Scores:
    """Return the scores. Raises BadLogits or Acausal where the answers can't be taken for a language model's."""
    windows = shifted(corpus.windows(scale.text.held_out, scale.text.length))
    levels = [
        score(_logits(ask, "recall", level.inputs, scale), level.targets)
        for level in mqar.held_out(scale.recall, np.random.default_rng(seed))
    ]
    logits = _logits(ask, "text", windows.inputs, scale)
    _check_prefixes(ask, windows.inputs[:CUT_WINDOWS], logits[:CUT_WINDOWS], scale)
    stderr = math.sqrt(sum(level.stderr**2 for level in levels)) / len(levels)
    return Scores(score(logits, windows.targets), sum(level.accuracy for level in levels) / len(levels), stderr)


def _logits(ask: Ask, task: str, inputs: np.ndarray, scale: Scale) -> np.ndarray:
    """Return checked logits [B, T, V], asked for in pieces."""
    return np.concatenate([_checked(ask, task, piece, scale) for piece in _pieces(inputs, scale.shape.vocabulary)])


def _pieces(inputs: np.ndarray, vocabulary: int) -> Iterator[np.ndarray]:
    """Cut a batch so that no piece's logits are too many."""
    rows = max(LOGITS // (inputs.shape[1] * vocabulary), 1)
    for start in range(0, len(inputs), rows):
        yield inputs[start : start + rows]


def _checked(ask: Ask, task: str, inputs: np.ndarray, scale: Scale) -> np.ndarray:
    """Ask once and look at what came back."""
    logits = ask(task, inputs)
    if logits.dtype != np.float32:
        raise BadLogits(f"logits are {logits.dtype}, not float32")
    check_logits(logits, (*inputs.shape, scale.shape.vocabulary))
    return logits


def _check_prefixes(ask: Ask, inputs: np.ndarray, logits: np.ndarray, scale: Scale) -> None:
    """Compare the last answer on cut-off windows with the one on whole windows."""
    for share in CUTS:
        length = max(int(share * inputs.shape[1]), 1)
        again = _checked(ask, "text", inputs[:, :length], scale)
        gap = disagreement(logits[:, length - 1], again[:, -1])
        if gap > TOLERANCE[scale.dtype]:
            raise Acausal(f"probabilities after {length} bytes change by {gap:.3g} when the text goes on")
