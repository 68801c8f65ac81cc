"""The examination: which inputs the worker receives, and which of its answers give no score."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny_runs import tiny_scale
from trainer.run.examination import ImplausibleLoss, NotCausal, examine
from trainer.run.scoring import BadLogits
from trainer.tasks import language
from trainer.tasks.corpus import load_corpus
from trainer.tasks.tokens import tokenize_corpus

SCALE = tiny_scale()
TEXT = SCALE.tasks["text"]
TEXTS = {"text": tokenize_corpus(TEXT, load_corpus(None, TEXT))}
VOCABULARY = SCALE.shape.vocabulary


def derive_seed(use: str, task: str) -> int:
    return len(use + task)


def uniform_logits(_: str, inputs: np.ndarray) -> np.ndarray:
    return np.zeros((*inputs.shape, VOCABULARY), np.float32)


def recall_perfectly(task: str, inputs: np.ndarray) -> np.ndarray:
    """Predict the token that followed the first occurrence of each token, which is the right answer to recall."""
    logits = uniform_logits(task, inputs)
    for row, tokens in enumerate(inputs):
        follower: dict[int, int] = {}
        for position, token in enumerate(tokens):
            if token in follower:
                logits[row, position, follower[token]] = 9
            if position + 1 < len(tokens):
                follower.setdefault(token, tokens[position + 1])
    return logits


def test_uniform_logits_cost_eight_bits_per_byte():
    """Their recall is zero, since the first largest logit is that of token 0, which is no value."""
    scores = examine(uniform_logits, SCALE, TEXTS, derive_seed)
    assert scores["text"].nats_per_byte == pytest.approx(math.log(256))
    assert scores["text"].bits_per_byte == pytest.approx(8)
    assert scores["recall"].accuracy == 0


def test_perfect_recall_has_accuracy_one():
    """The inputs alone allow it on every level."""
    scores = examine(recall_perfectly, SCALE, TEXTS, derive_seed)
    assert (scores["recall"].accuracy, scores["recall"].stderr) == (1, 0)


def test_targets_are_never_sent():
    """The worker receives the inputs alone; the last byte of a window is a target only."""
    windows = [inputs for task, inputs in _requests() if task == "text" and inputs.shape[1] == TEXT.length]
    assert (np.concatenate(windows) == language.evaluation_batch(TEXT, TEXTS["text"].validation).inputs).all()


def _requests(shard: int = 0) -> list[tuple[str, np.ndarray]]:
    """Return all inputs of an examination, with their tasks."""
    requests: list[tuple[str, np.ndarray]] = []

    def predict(task: str, inputs: np.ndarray) -> np.ndarray:
        requests.append((task, inputs))
        return uniform_logits(task, inputs)

    examine(predict, SCALE, TEXTS, derive_seed, shard)
    return requests


def test_an_answer_that_depends_on_later_tokens_is_not_causal():
    """Logits that depend on the length of the input raise NotCausal."""

    def predict(task: str, inputs: np.ndarray) -> np.ndarray:
        logits = uniform_logits(task, inputs)
        logits[..., 0] = inputs.shape[1] / 10
        return logits

    with pytest.raises(NotCausal, match="when the text goes on"):
        examine(predict, SCALE, TEXTS, derive_seed)


def test_a_loss_below_the_entropy_floor_gives_no_score():
    """The examination raises ImplausibleLoss, whatever the training losses were."""
    low_floor = {"text": replace(TEXTS["text"], entropy_floor=math.log(256) - 0.01)}
    assert examine(uniform_logits, SCALE, low_floor, derive_seed)["text"].nats_per_byte == pytest.approx(math.log(256))
    high_floor = {"text": replace(TEXTS["text"], entropy_floor=math.log(256) + 0.01)}
    with pytest.raises(ImplausibleLoss, match=r"text loss 5\.545 is below the corpus' entropy floor 5\.555"):
        examine(uniform_logits, SCALE, high_floor, derive_seed)


def test_another_shard_is_scored_on_other_windows():
    """Windows of different shards are disjoint, and all are in the validation text."""
    text = TEXTS["text"].validation
    positions = np.arange(len(text), dtype=np.int64)
    covered = np.concatenate([language.evaluation_batch(TEXT, positions, shard).inputs.ravel() for shard in (0, 1, 2)])
    assert len(set(covered.tolist())) == len(covered) == (3 * TEXT.held_out - 2) * TEXT.length
    windows = [inputs for task, inputs in _requests(1) if task == "text" and inputs.shape[1] == TEXT.length]
    assert (np.concatenate(windows) == language.evaluation_batch(TEXT, text, 1).inputs).all()


def test_a_text_with_room_for_one_window_has_one_on_every_shard():
    """So every shard has a score."""
    task, tokens = replace(TEXT, held_out=1), np.arange(TEXT.length + 2)
    assert [len(language.evaluation_batch(task, tokens, shard).inputs) for shard in (0, 1, 2)] == [1, 1, 1]


def test_logits_in_double_precision_are_refused():
    """The protocol requires float32."""
    with pytest.raises(BadLogits, match="float64, not float32"):
        examine(lambda task, inputs: uniform_logits(task, inputs).astype(np.float64), SCALE, TEXTS, derive_seed)
