"""Scores from raw logits: the arithmetic agrees with torch, and nonsense is refused."""

import math

import numpy as np
import pytest

from trainer.run.scoring import BadLogits, Score, disagreement, mark, mean, negative_log_likelihood, score
from trainer.tasks.batch import IGNORED_TARGET


def drawn(rows: int = 5, length: int = 7, vocabulary: int = 11) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, length, vocabulary)).astype(np.float32) * 20
    targets = rng.integers(0, vocabulary, (rows, length))
    targets[:, ::3] = IGNORED_TARGET
    return logits, targets


def test_the_loss_is_torchs_cross_entropy():
    """Mean over the positions that are asked, in nats."""
    import torch

    logits, targets = drawn()
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(logits).double().flatten(0, 1),
        torch.from_numpy(targets).flatten(),
        ignore_index=IGNORED_TARGET,
    )
    assert score([mark(logits, targets)]).loss == pytest.approx(expected.item(), rel=1e-12)


def test_uniform_logits_cost_the_logarithm_of_the_vocabulary():
    """256 equal logits are worth 8 bits a byte."""
    result = score([mark(np.zeros((2, 3, 256), np.float32), np.ones((2, 3), np.int64))], bytes_per_target=1.0)
    assert result.loss == pytest.approx(math.log(256))
    assert result.bits_per_byte == pytest.approx(8)


def test_large_logits_do_not_overflow():
    """The largest is taken out before the exponential."""
    logits = np.array([[3e38, -3e38]], np.float32)
    assert negative_log_likelihood(logits, np.array([0]))[0] == 0


def test_accuracy_counts_asked_positions_only():
    """Two questions a row, three of four answered."""
    logits = np.zeros((2, 3, 4), np.float32)
    logits[..., 1] = 1
    targets = np.array([[1, IGNORED_TARGET, 1], [IGNORED_TARGET, 1, 2]])
    assert score([mark(logits, targets)]).accuracy == 0.75


def test_the_standard_error_is_taken_over_sequences():
    """Rows with accuracies 1 and 0.5 have a deviation of 0.3536, over sqrt(2)."""
    logits = np.zeros((2, 2, 4), np.float32)
    logits[..., 1] = 1
    assert score([mark(logits, np.array([[1, 1], [1, 2]]))]).stderr == pytest.approx(0.25)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(value: float):
    """One is enough."""
    logits, targets = drawn()
    logits[1, 2, 3] = value
    with pytest.raises(BadLogits, match="1 of 385 logits are not finite"):
        mark(logits, targets)


def test_logits_of_another_shape_are_refused():
    """A row too few is not scored on the rest."""
    logits, targets = drawn()
    with pytest.raises(BadLogits, match=r"shape \[4, 7, 11\], asked for \[5, 7, 11\]"):
        mark(logits[1:], targets)


def test_disagreement_is_a_difference_of_probabilities():
    """Shifting all logits changes nothing; swapping a certain answer changes everything."""
    certain = np.array([[0.0, 50.0]], np.float32)
    assert disagreement(certain, certain + 3) == pytest.approx(0, abs=1e-12)
    assert disagreement(certain, certain[:, ::-1]) == pytest.approx(1)


def test_marks_in_pieces_are_the_marks_of_the_whole():
    """A large evaluation is asked for in pieces; its score doesn't show it."""
    logits, targets = drawn()
    assert score([mark(logits[:2], targets[:2]), mark(logits[2:], targets[2:])]) == score([mark(logits, targets)])


def test_bits_per_byte_do_not_depend_on_how_long_tokens_are():
    """A token of four bytes may cost four times as much as one byte; what is no text has no bits."""
    assert Score(4 * math.log(2), 0.5, 0.0, bytes_per_target=4.0).bits_per_byte == pytest.approx(1)
    assert Score(1.0, 0.5, 0.0).bits_per_byte is None


def test_levels_weigh_alike():
    """The mean's standard error is that of a mean of independent levels."""
    assert mean([Score(1.0, 0.2, 0.3), Score(3.0, 0.4, 0.4)]) == Score(2.0, pytest.approx(0.3), pytest.approx(0.25))
