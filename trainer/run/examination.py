"""The examination of a trained model: held-out inputs go to the worker, raw logits come back, scores are computed here.

A model is asked twice, in fresh processes that know nothing of each other:

- *cut*: each window up to one position, the cut, and another sequence after it. Cuts and the order of the windows come
  from a seed that no worker can know. The process never receives what follows the cuts in their windows.
- *whole*: the same windows, in another order.

The answer at a cut can't depend on the true continuation. For a causal model it is also the answer in the whole window;
if an answer differs by more than rounding, there is no score. From the mean over all positions of the whole windows,
the score then subtracts what the answers at the cuts gained from the continuation. So a score's expected value is that
of answers without a future, whatever a model does in whole windows; and what it does there at a share r of the
positions stays unseen at n cuts with a probability of (1 - r)^n only.

The compression task is asked once: it has no future, since every position is decoded from the last one. A loss below
the text's entropy floor is an anomaly and gives no score.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from trainer.run.job import Job
from trainer.run.monitor import below_entropy_floor
from trainer.run.scoring import (
    Answers,
    BadLogits,
    Score,
    block_means,
    check_logits,
    mean_score,
    score_logits,
    summarise,
)
from trainer.tasks.draws import evaluation_levels
from trainer.tasks.kinds import Compression
from trainer.tasks.level import Level
from trainer.tasks.tokens import TokenizedCorpus

Predict = Callable[[str, np.ndarray], np.ndarray]
"""(task, inputs [B, T] int64) -> logits [B, T, V] as the worker returned them, unchecked."""
MAX_LOGITS = 1 << 20
"""Most logits in one request."""
MIN_CUTS, MAX_ROUNDS = 512, 8
"""Cuts of each task, and fresh processes that answer one cut of each window, if its windows are fewer than the cuts."""
TOLERANCE_NATS = {"float32": 1e-3, "bfloat16": 0.25}
"""Difference of an answer's loss that rounding can cause, by dtype."""


class NotCausal(ValueError):
    """Answers at a position depend on later tokens."""


class ImplausibleLoss(ValueError):
    """The loss is lower than the text allows."""


class CutAnswers(NamedTuple):
    """The answers at one cut of each of a level's windows."""

    positions: np.ndarray
    """[B]."""
    answers: Answers
    """[B, 1]."""


def examine(open_predictor: Callable[[], Predict], job: Job, texts: Mapping[str, TokenizedCorpus]) -> dict[str, Score]:
    """Return every task's score.

    `open_predictor` returns a predictor in a fresh process and ends the one before; `texts` holds the corpus of each
    task on text. Raises BadLogits, NotCausal or ImplausibleLoss if no honest model gives these answers.
    """
    exam = Examination(job, texts)
    for number in range(exam.rounds):
        exam.ask_cuts(open_predictor(), number)
    return exam.score_whole(open_predictor())


class Examination:
    """The levels of every task, and the answers at their cuts so far."""

    def __init__(self, job: Job, texts: Mapping[str, TokenizedCorpus]) -> None:
        """Draw every task's held-out sequences."""
        self._scale, self._texts = job.scale, texts
        self._tolerance = TOLERANCE_NATS[job.scale.dtype]
        self._rngs = {name: np.random.default_rng(job.secret_seed("held out", name)) for name in job.scale.tasks}
        self.levels = {name: self._draw(name, job) for name in job.scale.tasks}
        """The held-out sequences of every task, level by level."""
        self._cuts: dict[tuple[str, int], list[CutAnswers]] = {}
        self.largest_gain = 0.0
        """Largest difference so far, in nats, between an answer at a cut and in the whole window."""

    def _draw(self, name: str, job: Job) -> list[Level]:
        text = self._texts.get(name)
        tokens, shard = text.validation if text else None, job.request.shard
        return evaluation_levels(self._scale.tasks[name], self._rngs[name], job.seed("data", name), tokens, shard)

    @property
    def rounds(self) -> int:
        """Fresh processes that answer cut windows."""
        return max(map(self._rounds_of, self.levels))

    def _rounds_of(self, name: str) -> int:
        """Return the rounds in which a task is asked: until it has MIN_CUTS cuts."""
        if isinstance(self._scale.tasks[name], Compression):
            return 0
        windows = sum(len(level.decoys) for level in self.levels[name])
        return min(math.ceil(MIN_CUTS / windows), MAX_ROUNDS)

    def ask_cuts(self, predict: Predict, number: int) -> None:
        """Ask about one cut of each window. Raises BadLogits."""
        for name, levels in self.levels.items():
            if number >= self._rounds_of(name):
                continue
            for index, level in enumerate(levels):
                positions = level.draw_cuts(self._rngs[name])
                answers = self._ask(predict, name, level.cut(positions), level.windows.targets, positions)
                self._cuts.setdefault((name, index), []).append(CutAnswers(positions, answers))

    def score_whole(self, predict: Predict) -> dict[str, Score]:
        """Ask about the whole windows and return the scores. Raises BadLogits, NotCausal, ImplausibleLoss."""
        scores: dict[str, Score] = {}
        for name, levels in self.levels.items():
            scores[name] = mean_score([self._score_level(predict, name, index) for index in range(len(levels))])
            text, loss = self._texts.get(name), scores[name].nats_per_byte
            if text and loss is not None and (evidence := below_entropy_floor(name, loss, text.entropy_floor)):
                raise ImplausibleLoss(evidence)
        return scores

    def _score_level(self, predict: Predict, name: str, index: int) -> Score:
        """Return the score of one level, its blocks too, less what answers at the cuts gained from the future."""
        windows, text = self.levels[name][index].windows, self._texts.get(name)
        whole = self._ask(predict, name, windows.inputs, windows.targets)
        score = summarise(whole)
        if text:
            score = replace(score, **self._text_figures(name, index, whole))
        if not (cuts := self._cuts.get((name, index))):
            return score
        nats, correct = _gains(whole, cuts)
        self._check_causality(name, nats)
        return _without_gain(score, float(nats.mean()), float(correct.mean()))

    def _text_figures(self, name: str, index: int, whole: Answers) -> dict[str, Any]:
        """Return the fields of a score that only a task on text has."""
        level = self.levels[name][index]
        target_bytes = self._texts[name].token_bytes[level.windows.targets]
        assert level.places is not None, "a task on text has places"
        blocks = block_means(whole.nats, target_bytes, level.places)
        return {"bytes_per_target": float(target_bytes.mean()), "blocks": blocks}

    def _check_causality(self, name: str, gains: np.ndarray) -> None:
        """Raise NotCausal if an answer's loss changed by more than rounding."""
        changes = np.abs(gains)
        self.largest_gain = max(self.largest_gain, float(changes.max()))
        if changed := np.count_nonzero(changes > self._tolerance):
            raise NotCausal(
                f"{changed} of {gains.size} predictions in {name} change when the sequence goes on in another way, "
                f"the loss of one by {changes.max():.3g} nats"
            )

    def _ask(
        self, predict: Predict, name: str, inputs: np.ndarray, targets: np.ndarray, positions: np.ndarray | None = None
    ) -> Answers:
        """Ask about sequences [B, T] in a secret order; return the answers, at one position [B] of each if given."""
        order = self._rngs[name].permutation(len(inputs))
        parts: list[Answers] = []
        for rows in self._split(order, inputs.shape[1]):
            logits = self._logits(predict, name, inputs[rows])
            if positions is None:
                parts.append(score_logits(logits, targets[rows]))
            else:
                at = positions[rows, None]
                chosen = np.take_along_axis(logits, at[..., None], axis=1)
                parts.append(score_logits(chosen, np.take_along_axis(targets[rows], at, axis=1)))
        back = order.argsort()
        return Answers(*(np.concatenate(part)[back] for part in zip(*parts, strict=True)))

    def _logits(self, predict: Predict, name: str, inputs: np.ndarray) -> np.ndarray:
        """Return checked logits [B, T, V] of inputs [B, T]. Raises BadLogits."""
        logits = predict(name, inputs)
        if logits.dtype != np.float32:
            raise BadLogits(f"logits are {logits.dtype}, not float32")
        check_logits(logits, (*inputs.shape, self._scale.shape.vocabulary))
        return logits

    def _split(self, order: np.ndarray, length: int) -> Iterator[np.ndarray]:
        """Cut an order of rows into pieces whose logits are at most MAX_LOGITS, or a single row."""
        size = max(MAX_LOGITS // (length * self._scale.shape.vocabulary), 1)
        for start in range(0, len(order), size):
            yield order[start : start + size]


def _without_gain(score: Score, nats: float, correct: float) -> Score:
    """Return a score without its mean gain from the future, in nats and correct answers for each target."""
    blocks = tuple(block + nats / (score.bytes_per_target or 1.0) for block in score.blocks)
    return replace(score, loss=score.loss + nats, accuracy=score.accuracy - correct, blocks=blocks)


def _gains(whole: Answers, cuts: Sequence[CutAnswers]) -> tuple[np.ndarray, np.ndarray]:
    """Return what the answer at each of N cuts gains from the true future: nats [N], and correct answers [N]."""
    pairs = [(cut.answers, whole.at(cut.positions)) for cut in cuts]
    nats = [without.nats - seeing.nats for without, seeing in pairs]
    correct = [np.subtract(seeing.correct, without.correct, dtype=np.float64) for without, seeing in pairs]
    return np.concatenate(nats).ravel(), np.concatenate(correct).ravel()
