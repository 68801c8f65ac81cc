"""The examination: what is asked of the child, and which answers are refused."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny_runs import tiny
from trainer.run.examination import ImplausibleLoss, NotCausal, examine
from trainer.run.scoring import BadLogits
from trainer.tasks import language
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import tokenize_corpus

SCALE = tiny()
TEXT = SCALE.tasks["text"]
TEXTS = {"text": tokenize_corpus(TEXT, load_corpus(None, TEXT))}
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


def _asked(shard: int = 0) -> list[tuple[str, np.ndarray]]:
    asked: list[tuple[str, np.ndarray]] = []

    def ask(task: str, inputs: np.ndarray) -> np.ndarray:
        asked.append((task, inputs))
        return uniform(task, inputs)

    examine(ask, SCALE, TEXTS, seed, shard)
    return asked


def test_an_answer_that_depends_on_what_follows_is_acausal():
    """Logits that move with the length of the input are not a language model's."""

    def ask(task: str, inputs: np.ndarray) -> np.ndarray:
        logits = uniform(task, inputs)
        logits[..., 0] = inputs.shape[1] / 10
        return logits

    with pytest.raises(NotCausal, match="when the text goes on"):
        examine(ask, SCALE, TEXTS, seed)


def test_a_loss_below_the_floor_of_the_text_is_no_score():
    """What no honest model reaches is refused at the examination too, whatever the training showed."""
    above = {"text": replace(TEXTS["text"], floor=math.log(256) - 0.01)}
    assert examine(uniform, SCALE, above, seed)["text"].nats_per_byte == pytest.approx(math.log(256))
    below = {"text": replace(TEXTS["text"], floor=math.log(256) + 0.01)}
    with pytest.raises(ImplausibleLoss, match=r"text loss 5\.545 is below the corpus' entropy floor 5\.555"):
        examine(uniform, SCALE, below, seed)


def test_another_shard_is_scored_on_other_windows():
    """No window of one overlaps a window of another, and all lie in the validation text."""
    text = TEXTS["text"].validation
    places = np.arange(len(text), dtype=np.int64)
    read = np.concatenate([language.held_out(TEXT, places, shard).inputs.ravel() for shard in (0, 1, 2)])
    assert len(set(read.tolist())) == len(read) == (3 * TEXT.held_out - 2) * TEXT.length
    sent = [inputs for task, inputs in _asked(1) if task == "text" and inputs.shape[1] == TEXT.length]
    assert (np.concatenate(sent) == language.held_out(TEXT, text, 1).inputs).all()


def test_a_text_with_room_for_one_window_has_it_on_every_shard():
    """No shard is without a score."""
    one, tokens = replace(TEXT, held_out=1), np.arange(TEXT.length + 2)
    assert [len(language.held_out(one, tokens, shard).inputs) for shard in (0, 1, 2)] == [1, 1, 1]


def test_logits_in_double_precision_are_refused():
    """The protocol says float32."""
    with pytest.raises(BadLogits, match="float64, not float32"):
        examine(lambda task, inputs: uniform(task, inputs).astype(np.float64), SCALE, TEXTS, seed)
