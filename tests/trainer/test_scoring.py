"""Scores from raw logits: the arithmetic agrees with torch, and unusable logits are refused."""

import math

import numpy as np
import pytest

from bus.vocabulary.events import MAX_BLOCKS
from trainer.run.scoring import (
    MIN_LOSS,
    BadLogits,
    Score,
    block_means,
    mean_score,
    negative_log_likelihood,
    score_logits,
    summarise,
)
from trainer.tasks.batch import IGNORED_TARGET


def draw(rows: int = 5, length: int = 7, vocabulary: int = 11) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, length, vocabulary)).astype(np.float32) * 20
    targets = rng.integers(0, vocabulary, (rows, length))
    targets[:, ::3] = IGNORED_TARGET
    return logits, targets


def test_blocks_are_neighbours_in_the_text() -> None:
    """Windows come in another order than in the text; each block is the loss of some that lie next to each other."""
    nats = np.array([[4.0, 4.0], [1.0, 1.0], [3.0, 3.0], [2.0, 2.0]])
    sizes = np.ones((4, 2), np.int64)
    assert block_means(nats, sizes, np.array([3, 0, 2, 1])) == (1.0, 2.0, 3.0, 4.0)
    assert block_means(nats, 2 * sizes, np.array([3, 0, 2, 1])) == (0.5, 1.0, 1.5, 2.0)
    many = np.arange(100.0)[:, None]
    blocks = block_means(many, np.ones((100, 1), np.int64), np.arange(100))
    assert len(blocks) == MAX_BLOCKS
    assert list(blocks) == sorted(blocks)


def test_the_loss_is_torchs_cross_entropy():
    """Mean over the positions with a target, in nats."""
    import torch

    logits, targets = draw()
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).double().flatten(0, 1),
        torch.from_numpy(targets).flatten(),
        ignore_index=IGNORED_TARGET,
    )
    assert summarise(score_logits(logits, targets)).loss == pytest.approx(expected.item(), rel=1e-12)


def test_uniform_logits_cost_the_logarithm_of_the_vocabulary():
    """256 equal logits are worth 8 bits a byte."""
    result = summarise(score_logits(np.zeros((2, 3, 256), np.float32), np.ones((2, 3), np.int64)), bytes_per_target=1.0)
    assert result.loss == pytest.approx(math.log(256))
    assert result.bits_per_byte == pytest.approx(8)


def test_large_logits_do_not_overflow():
    """The largest logit is subtracted before the exponential."""
    logits = np.array([[3e38, -3e38]], np.float32)
    assert negative_log_likelihood(logits, np.array([0]))[0] == 0


def test_accuracy_counts_positions_with_a_target_only():
    """Two targets in each row, three of four predicted."""
    logits = np.zeros((2, 3, 4), np.float32)
    logits[..., 1] = 1
    targets = np.array([[1, IGNORED_TARGET, 1], [IGNORED_TARGET, 1, 2]])
    assert summarise(score_logits(logits, targets)).accuracy == 0.75


def test_the_standard_error_is_taken_over_sequences():
    """Rows with accuracies 1 and 0.5: a standard deviation of 0.3536, divided by sqrt(2)."""
    logits = np.zeros((2, 2, 4), np.float32)
    logits[..., 1] = 1
    assert summarise(score_logits(logits, np.array([[1, 1], [1, 2]]))).stderr == pytest.approx(0.25)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float):
    """One such logit is enough."""
    logits, targets = draw()
    logits[1, 2, 3] = value
    with pytest.raises(BadLogits, match="1 of 385 logits are not finite"):
        score_logits(logits, targets)


def test_logits_of_another_shape_are_refused():
    """If a row is missing, nothing is scored."""
    logits, targets = draw()
    with pytest.raises(BadLogits, match=r"shape \[4, 7, 11\], asked for \[5, 7, 11\]"):
        score_logits(logits[1:], targets)


def test_the_answer_at_one_position_is_that_of_the_whole():
    """It is chosen in each sequence on its own."""
    logits, targets = draw()
    positions = np.array([1, 2, 4, 5, 1])
    answers = score_logits(logits, targets).at(positions)
    expected = negative_log_likelihood(logits[range(5), positions], targets[range(5), positions])
    assert answers.nats[:, 0] == pytest.approx(expected)
    assert answers.has_target.all()


def test_bits_per_byte_do_not_depend_on_the_length_of_tokens():
    """A token of four bytes may cost four times as much as one byte; a task without text has no bits per byte."""
    assert Score(4 * math.log(2), 0.5, 0.0, bytes_per_target=4.0).bits_per_byte == pytest.approx(1)
    assert Score(1.0, 0.5, 0.0).bits_per_byte is None


def test_levels_have_equal_weights():
    """The standard error is that of a mean of independent levels."""
    assert mean_score([Score(1.0, 0.2, 0.3), Score(3.0, 0.4, 0.4)]) == Score(
        2.0, pytest.approx(0.3), pytest.approx(0.25), level_losses=(1.0, 3.0)
    )


def test_the_log_loss_is_a_mean_over_levels_and_ends_at_the_least_loss():
    """A level that is learned counts the same however sure the model is of it."""
    sure, surer = (mean_score([Score(loss, 1.0, 0.0), Score(1.0, 0.5, 0.0)]) for loss in (1e-3, 1e-6))
    assert sure.log_loss == surer.log_loss == pytest.approx(math.log(MIN_LOSS) / 2)
    assert Score(0.5, 0.9, 0.0).measures()["log_loss"].value == pytest.approx(math.log(0.5))
    assert "log_loss" not in Score(0.5, 0.9, 0.0, bytes_per_target=1.0).measures()
