"""The examination: what is asked of the child, and which answers are refused."""

import math

import numpy as np
import pytest

from tests.trainer.tiny import tiny
from trainer.evaluator import BadLogits
from trainer.examination import Acausal, examine
from trainer.tasks import language
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import read

SCALE = tiny()
TEXT = SCALE.tasks["text"]
TEXTS = {"text": read(TEXT, load_corpus(None, TEXT))}
VOCABULARY = SCALE.shape.vocabulary


def seed(use: str, task: str) -> int:
    return len(use + task)


def uniform(_: str, inputs: np.ndarray) -> np.ndarray:
    return np.zeros((*inputs.shape, VOCABULARY), np.float32)


def recalling(task: str, inputs: np.ndarray) -> np.ndarray:
    """Name the token that followed the last earlier occurrence of each token: the perfect answer to recall."""
    logits = uniform(task, inputs)
    for row, tokens in enumerate(inputs):
        follower: dict[int, int] = {}
        for at, token in enumerate(tokens):
            if token in follower:
                logits[row, at, follower[token]] = 9
            if at + 1 < len(tokens):
                follower.setdefault(token, tokens[at + 1])
    return logits


def test_uniform_answers_are_worth_eight_bits():
    """And name token 0, which is never a value."""
    scores = examine(uniform, SCALE, TEXTS, seed)
    assert scores["text"].nats_per_byte == pytest.approx(math.log(256))
    assert scores["text"].bits_per_byte == pytest.approx(8)
    assert scores["recall"].accuracy == 0


def test_who_recalls_has_full_marks():
    """On every level, from inputs alone."""
    scores = examine(recalling, SCALE, TEXTS, seed)
    assert (scores["recall"].accuracy, scores["recall"].stderr) == (1, 0)


def test_targets_are_never_sent():
    """The last byte of a window is only ever a target."""
    sent = [inputs for task, inputs in _asked() if task == "text"]
    whole = np.concatenate([inputs for inputs in sent if inputs.shape[1] == TEXT.length])
    assert (whole == language.held_out(TEXT, TEXTS["text"].validation).inputs).all()


def _asked() -> list[tuple[str, np.ndarray]]:
    asked: list[tuple[str, np.ndarray]] = []

    def ask(task: str, inputs: np.ndarray) -> np.ndarray:
        asked.append((task, inputs))
        return uniform(task, inputs)

    examine(ask, SCALE, TEXTS, seed)
    return asked


def test_an_answer_that_depends_on_what_follows_is_acausal():
    """Logits that move with the length of the input are not a language model's."""

    def ask(task: str, inputs: np.ndarray) -> np.ndarray:
        logits = uniform(task, inputs)
        logits[..., 0] = inputs.shape[1] / 10
        return logits

    with pytest.raises(Acausal, match="when the text goes on"):
        examine(ask, SCALE, TEXTS, seed)


def test_logits_in_double_precision_are_refused():
    """The protocol says float32."""
    with pytest.raises(BadLogits, match="float64, not float32"):
        examine(lambda task, inputs: uniform(task, inputs).astype(np.float64), SCALE, TEXTS, seed)
