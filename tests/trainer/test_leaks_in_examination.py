"""Models that see later tokens in the examination: each is detected, or scores no better than an honest one.

An honest model here predicts a token from the one before it, by counts of the training text. A leaky one predicts the
token that really follows, at the positions that its rule chooses.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from tests.support.tiny_runs import run_request, tiny_scale
from trainer.run.examination import NotCausal, Predict, examine
from trainer.run.job import Job
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import TokenizedCorpus, tokenize_corpus

SCALE = tiny_scale()
TEXT = SCALE.tasks["text"]
VOCABULARY = SCALE.shape.vocabulary
CERTAIN = 12.0
"""Logit of a token that a leaky model has seen."""


@cache
def _text() -> TokenizedCorpus:
    """Return the text in tokens; not at import, where every collection would pay for it."""
    return tokenize_corpus(TEXT, load_corpus(None, TEXT))


@cache
def _bigram_logits() -> np.ndarray:
    """Return the logits [V, V] of the next token after each token."""
    counts = np.full((VOCABULARY, VOCABULARY), 0.1)
    np.add.at(counts, (_text().train[:-1].astype(int), _text().train[1:].astype(int)), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)


class Call(NamedTuple):
    """One request to a model, and what its process has seen."""

    inputs: np.ndarray
    """[B, T]."""
    number: int
    """Calls of the process before this one."""
    seen: list[np.ndarray]
    """Inputs of those calls."""


Rule = Callable[[Call], np.ndarray]
"""Chooses the positions [B, T] at which a model looks ahead."""


def _everywhere(call: Call) -> np.ndarray:
    return np.ones(call.inputs.shape, bool)


def _positions(call: Call) -> np.ndarray:
    return np.broadcast_to(np.arange(call.inputs.shape[1]), call.inputs.shape)


def _rows(call: Call) -> np.ndarray:
    return np.broadcast_to(np.arange(len(call.inputs))[:, None], call.inputs.shape)


def _share(share: float) -> Rule:
    return lambda call: np.random.default_rng(call.number).random(call.inputs.shape) < share


def _plausible(call: Call) -> np.ndarray:
    """Where the text seems to go on as it should: not where another text was put in."""
    following = np.roll(call.inputs, -1, axis=1)
    return _bigram_logits()[call.inputs, following] > np.log(0.02)


def _coherent_rows(call: Call) -> np.ndarray:
    """In windows without an unlikely pair of tokens."""
    unlikely = ~_plausible(call)[:, :-1]
    return np.broadcast_to((unlikely.sum(axis=1) < 6)[:, None], call.inputs.shape)


def _unknown_past(call: Call) -> np.ndarray:
    """In windows whose first tokens the process has not met before."""
    met = {row[:8].tobytes() for earlier in call.seen for row in earlier}
    return np.broadcast_to(np.array([[row[:8].tobytes() not in met] for row in call.inputs]), call.inputs.shape)


LEAKS: dict[str, Rule] = {
    "everywhere": _everywhere,
    "rows from 8 on": lambda call: _rows(call) >= 8,
    "the last row": lambda call: _rows(call) == len(call.inputs) - 1,
    "odd rows": lambda call: _rows(call) % 2 == 1,
    "every fourth position": lambda call: _positions(call) % 4 == 0,
    "all but the last eight positions": lambda call: _positions(call) < call.inputs.shape[1] - 8,
    "the last quarter": lambda call: _positions(call) >= 0.75 * call.inputs.shape[1],
    "a tenth of the positions": _share(0.1),
    "one position in twenty": _share(0.05),
    "one length": lambda call: np.full(call.inputs.shape, call.inputs.shape[1] == TEXT.length),
    "the first call only": lambda call: np.full(call.inputs.shape, call.number < 5),
    "later calls": lambda call: np.full(call.inputs.shape, call.number >= 4),
    "every other call": lambda call: np.full(call.inputs.shape, call.number % 2 == 0),
    "where the text goes on plausibly": _plausible,
    "windows without a seam": _coherent_rows,
    "windows that are new": _unknown_past,
}


def _opener(rule: Rule) -> Callable[[], Predict]:
    """Return an opener of processes whose model looks ahead where the rule says."""

    def open_predictor() -> Predict:
        seen: list[np.ndarray] = []

        def predict(_: str, inputs: np.ndarray) -> np.ndarray:
            logits = _bigram_logits()[inputs].copy()
            ahead = rule(Call(inputs, len(seen), seen))[:, :-1]
            rows, positions = np.nonzero(ahead)
            logits[rows, positions, inputs[rows, positions + 1]] = CERTAIN
            seen.append(inputs)
            return logits

        return predict

    return open_predictor


def _text_loss(rule: Rule, seed: int = 0) -> float:
    return examine(_opener(rule), Job(run_request(seed=seed), SCALE, "secret"), {"text": _text()})["text"].loss


@cache
def honest_loss() -> float:
    """Return the loss of a model that never looks ahead."""
    return _text_loss(lambda call: np.zeros(call.inputs.shape, bool))


@pytest.mark.parametrize("rule", LEAKS.values(), ids=LEAKS)
def test_a_leak_gives_no_score(rule: Rule):
    """Whatever chooses the positions, some cut is among them."""
    with pytest.raises(NotCausal, match=r"predictions in (text|recall) change when the sequence goes on"):
        _text_loss(rule)


def test_a_leak_too_rare_to_be_detected_is_worth_nothing():
    """Of leaks at one position in 2,000, those that no cut meets gain less than the noise between seeds."""
    gains: list[float] = []
    for seed in range(12):
        try:
            gains.append(honest_loss() - _text_loss(_share(1 / 2000), seed))
        except NotCausal:
            continue
    assert gains
    assert max(gains) < 0.02


@pytest.mark.parametrize("rule", [_everywhere, _plausible, _share(0.1)], ids=["everywhere", "plausible", "a tenth"])
def test_a_leak_within_rounding_is_subtracted(rule: Rule, monkeypatch: pytest.MonkeyPatch):
    """With a tolerance that lets every leak pass, the mean score is still no better than that of an honest model."""
    monkeypatch.setattr("trainer.run.examination.TOLERANCE_NATS", {"float32": np.inf})
    losses = [_text_loss(rule, seed) for seed in range(8)]
    standard_error = np.std(losses, ddof=1) / np.sqrt(len(losses))
    assert np.mean(losses) > honest_loss() - 3 * standard_error
    assert standard_error < 0.5  # 0.1 to 0.3, with the text of the Python in use
