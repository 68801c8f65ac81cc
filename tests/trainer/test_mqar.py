"""Multi-query associative recall: what a sequence says, how it is drawn, what training and evaluation share."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.scales import load
from trainer.tasks import mqar
from trainer.tasks.batch import IGNORED_TARGET

TASK = load("nano").tasks["recall"]


def batch(level: int = 1, rows: int = 64, seed: int = 0) -> mqar.Batch:
    return mqar.draw(TASK, level, rows, np.random.default_rng(seed))


def test_every_key_is_asked_once_and_its_value_is_the_target():
    """Whoever reads the pairs at the front can answer every question and nothing else."""
    pairs = TASK.levels[1][1]
    for inputs, targets in zip(*batch(), strict=True):
        value_of = dict(zip(inputs[0 : 2 * pairs : 2], inputs[1 : 2 * pairs : 2], strict=True))
        asked = np.flatnonzero(targets != IGNORED_TARGET)
        assert {inputs[at]: targets[at] for at in asked} == value_of
        assert len(asked) == pairs


def test_the_last_value_counts_where_a_key_is_bound_again():
    """Half of the pairs rebound: every key stands twice, is asked once, and its later value is the target."""
    pairs = TASK.levels[1][1]
    task = replace(TASK, rebound=0.5)
    for inputs, targets in zip(*mqar.draw(task, 1, 64, np.random.default_rng(0)), strict=True):
        keys, values = inputs[0 : 2 * pairs : 2], inputs[1 : 2 * pairs : 2]
        asked = np.flatnonzero(targets != IGNORED_TARGET)
        assert len(set(keys)) == len(asked) == pairs // 2
        assert {inputs[at]: targets[at] for at in asked} == dict(zip(keys, values, strict=True))


def test_more_than_half_of_the_pairs_can_not_be_rebound():
    """A share above a half is a mistake in the scale."""
    with pytest.raises(ValueError, match=r"up to a half, not 0\.6"):
        mqar.draw(replace(TASK, rebound=0.6), 1, 1, np.random.default_rng(0))


def test_questions_come_after_the_pairs():
    """No position of the opening has a target."""
    assert (batch().targets[:, : 2 * TASK.levels[1][1]] == IGNORED_TARGET).all()


def test_keys_and_values_come_from_their_halves_of_the_vocabulary():
    """Keys are in 1 .. V/2 - 1, values in V/2 .. V - 1; neither repeats within a sequence."""
    pairs, half = TASK.levels[1][1], TASK.vocabulary // 2
    inputs = batch(rows=256).inputs
    keys, values = inputs[:, 0 : 2 * pairs : 2], inputs[:, 1 : 2 * pairs : 2]
    assert (keys.min(), keys.max(), values.min(), values.max()) == (1, half - 1, half, TASK.vocabulary - 1)
    assert all(len(set(row)) == pairs for drawn in (keys, values) for row in drawn.tolist())


def test_short_gaps_are_likelier_where_the_power_is_small():
    """With power 0.01 weights fall like 1 / i: the first offset is taken far more often than the last."""
    task = replace(TASK, levels=((64, 4),))
    targets = mqar.draw(task, 0, 2000, np.random.default_rng(0)).targets
    often = (targets != IGNORED_TARGET).mean(axis=0)[8::2]
    assert often[0] > 3 * often[-1]
    assert often[-1] > 0


def test_the_weights_of_the_first_drawn_gap_follow_the_power_law():
    """The first of the drawn offsets has probability i^(power - 1) / sum, within sampling error."""
    first = mqar._gaps(np.random.default_rng(0), 40_000, 8, 1, 0.01)[:, 0]
    weight = np.arange(1, 9) ** (0.01 - 1)
    assert np.bincount(first, minlength=8) / 40_000 == pytest.approx(weight / weight.sum(), abs=0.01)


def test_the_same_generator_draws_the_same_sequences():
    """A seed fixes inputs and targets."""
    assert all((a == b).all() for a, b in zip(batch(seed=3), batch(seed=3), strict=True))


def test_training_climbs_the_levels_in_equal_shares_of_the_steps():
    """Early steps have short sequences; each batch has about the same number of tokens."""
    rng = np.random.default_rng(0)
    shapes = [mqar.training_batch(TASK, step, 12, rng).inputs.shape for step in range(12)]
    assert [length for _, length in shapes] == [
        length for length, _ in TASK.levels for _ in range(12 // len(TASK.levels))
    ]
    assert {rows * length for rows, length in shapes} == {TASK.batch * TASK.length}


def test_no_sequence_of_the_hardest_level_is_in_training_and_evaluation():
    """Two seeds give sequences that have nothing in common."""
    seen = {row.tobytes() for row in batch(2, 4000, seed=1).inputs}
    assert not any(row.tobytes() in seen for row in batch(2, 128, seed=2).inputs)


def test_pairs_that_do_not_fit_are_refused():
    """A level whose questions can't follow its pairs is a mistake in the scale."""
    with pytest.raises(ValueError, match="8 pairs need a length >= 32"):
        replace(TASK, levels=((31, 8),))
