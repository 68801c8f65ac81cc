"""The examination of a trained model: held-out inputs go to the worker, raw logits come back, scores are computed here.

Text is scored on windows that are the same for every candidate on a shard. All other tasks are scored on sequences
drawn from a seed that no worker receives. The first windows of text are asked for a second time, cut off: a causal
model's answer can't depend on later tokens, whatever the model did in front of the gates. A loss below the text's
entropy floor is an anomaly and gives no score.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from trainer.run.monitor import below_entropy_floor
from trainer.run.scoring import (
    BadLogits,
    BatchScore,
    Score,
    check_logits,
    combine_batches,
    disagreement,
    mean_score,
    score_batch,
)
from trainer.scales import Scale
from trainer.tasks.batch import Batch
from trainer.tasks.draws import evaluation_batches
from trainer.tasks.tokens import TokenizedCorpus

Predict = Callable[[str, np.ndarray], np.ndarray]
"""(task, inputs [B, T] int64) -> logits [B, T, V] as the worker returned them, unchecked."""
DeriveSeed = Callable[[str, str], int]
"""(`data` for training or `held out`, task) -> the run's seed for it."""
MAX_LOGITS = 1 << 20
"""Most logits in one request."""
CUT_WINDOWS, CUT_SHARES = 8, (0.25, 0.6, 0.9)
"""Number of windows that are sent again, and where they are cut, as shares of their length."""
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Difference of probabilities that rounding can cause, by dtype."""


class NotCausal(ValueError):
    """Answers at a position depend on later tokens."""


class ImplausibleLoss(ValueError):
    """The loss is lower than the text allows."""


def examine(
    predict: Predict, scale: Scale, texts: Mapping[str, TokenizedCorpus], derive_seed: DeriveSeed, shard: int = 0
) -> dict[str, Score]:
    """Return every task's score; `texts` holds the corpus of each task on text.

    Raises BadLogits, NotCausal or ImplausibleLoss if no honest language model gives these answers.
    """
    examiner = _Examiner(predict, scale)
    scores = {}
    for name, task in scale.tasks.items():
        text = texts.get(name)
        rng = np.random.default_rng(derive_seed("held out", name))
        validation = text.validation if text else None
        levels = evaluation_batches(task, rng, derive_seed("data", name), validation, shard)
        scores[name] = examiner.score_text(name, levels[0], text) if text else examiner.score_levels(name, levels)
    return scores


class _Examiner:
    """Requests logits piece by piece, so that there are never more than MAX_LOGITS, and scores them."""

    def __init__(self, predict: Predict, scale: Scale) -> None:
        self._predict, self._vocabulary = predict, scale.shape.vocabulary
        self._tolerance = TOLERANCE[scale.dtype]

    def score_levels(self, task: str, levels: Sequence[Batch]) -> Score:
        """Return a task's mean score over its levels of difficulty."""
        return mean_score([combine_batches([score for score, _ in self._pieces(task, level)]) for level in levels])

    def score_text(self, task: str, windows: Batch, text: TokenizedCorpus) -> Score:
        """Return the score on windows of text. Raises NotCausal or ImplausibleLoss."""
        lengths = [max(int(share * windows.inputs.shape[1]), 1) for share in CUT_SHARES]
        scores: list[BatchScore] = []
        ends: list[np.ndarray] = []
        for score, logits in self._pieces(task, windows):
            scores.append(score)
            if sum(map(len, ends)) < CUT_WINDOWS:
                ends.append(logits[:, [length - 1 for length in lengths]].copy())  # [b, cuts, V]
        self._check_prefixes(task, windows.inputs[:CUT_WINDOWS], lengths, np.concatenate(ends)[:CUT_WINDOWS])
        score = combine_batches(scores, float(text.token_bytes[windows.targets].mean()))
        assert score.nats_per_byte is not None
        if evidence := below_entropy_floor(task, score.nats_per_byte, text.entropy_floor):
            raise ImplausibleLoss(evidence)
        return score

    def _check_prefixes(self, task: str, inputs: np.ndarray, lengths: list[int], ends: np.ndarray) -> None:
        """Compare `ends` [B, cuts, V], the logits at the cuts of whole windows, with those of the cut windows."""
        for cut, length in enumerate(lengths):
            prefix_ends = [logits[:, -1] for logits in self._logits(task, inputs[:, :length])]  # [b, V] each
            gap = disagreement(ends[:, cut], np.concatenate(prefix_ends))
            if gap > self._tolerance:
                raise NotCausal(f"probabilities after {length} tokens change by {gap:.3g} when the text goes on")

    def _pieces(self, task: str, batch: Batch) -> Iterator[tuple[BatchScore, np.ndarray]]:
        """Yield the score and the logits [b, T, V] of one piece of the batch after the other."""
        for logits, targets in zip(self._logits(task, batch.inputs), self._split(batch.targets), strict=True):
            yield score_batch(logits, targets), logits

    def _logits(self, task: str, inputs: np.ndarray) -> Iterator[np.ndarray]:
        """Yield checked logits [b, T, V] of one piece of the inputs after the other. Raises BadLogits."""
        for piece in self._split(inputs):
            logits = self._predict(task, piece)
            if logits.dtype != np.float32:
                raise BadLogits(f"logits are {logits.dtype}, not float32")
            check_logits(logits, (*piece.shape, self._vocabulary))
            yield logits

    def _split(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Cut rows [B, T] into pieces whose logits are at most MAX_LOGITS, or a single row."""
        size = max(MAX_LOGITS // (rows.shape[1] * self._vocabulary), 1)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
