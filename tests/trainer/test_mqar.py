"""Multi-query associative recall: its sequences, their distribution, and the levels of training."""

from dataclasses import replace

import numpy as np
import pytest

from trainer.scales import load
from trainer.tasks import mqar
from trainer.tasks.batch import IGNORED_TARGET

TASK = replace(load("nano").tasks["recall"], rebound=0.0, filler="random")


def batch(level: int = 1, rows: int = 64, seed: int = 0) -> mqar.Batch:
    return mqar.draw(TASK, level, rows, np.random.default_rng(seed))


def test_every_key_has_one_question_and_its_value_is_the_target():
    """The pairs at the front determine all targets, and there are no others."""
    pairs = TASK.levels[1][1]
    for inputs, targets in zip(*batch(), strict=True):
        value_of = dict(zip(inputs[0 : 2 * pairs : 2], inputs[1 : 2 * pairs : 2], strict=True))
        questions = np.flatnonzero(targets != IGNORED_TARGET)
        assert {inputs[at]: targets[at] for at in questions} == value_of
        assert len(questions) == pairs


def test_the_last_value_of_a_rebound_key_is_the_target():
    """With half of the pairs rebound, every key occurs in two pairs and has one question."""
    pairs = TASK.levels[1][1]
    task = replace(TASK, rebound=0.5)
    for inputs, targets in zip(*mqar.draw(task, 1, 64, np.random.default_rng(0)), strict=True):
        keys, values = inputs[0 : 2 * pairs : 2], inputs[1 : 2 * pairs : 2]
        questions = np.flatnonzero(targets != IGNORED_TARGET)
        assert len(set(keys)) == len(questions) == pairs // 2
        assert {inputs[at]: targets[at] for at in questions} == dict(zip(keys, values, strict=True))


def test_more_than_half_of_the_pairs_can_not_be_rebound():
    """The message has the value and the allowed range."""
    with pytest.raises(
        ValueError, match=r"rebound is not a share of the pairs \(0\.6\); hint: choose it from 0 to 0\.5"
    ):
        mqar.draw(replace(TASK, rebound=0.6), 1, 1, np.random.default_rng(0))


def test_a_blank_filler_leaves_only_questions_after_the_pairs():
    """Every token after the pairs is a question or the blank; pairs and targets are those of the random filler."""
    random, blank = (mqar.draw(replace(TASK, filler=f), 2, 64, np.random.default_rng(0)) for f in ("random", "blank"))
    after = slice(2 * TASK.levels[2][1], None)
    assert ((blank.inputs[:, after] == mqar.BLANK) == (blank.targets[:, after] == IGNORED_TARGET)).all()
    assert (blank.targets == random.targets).all()
    is_kept = blank.inputs != mqar.BLANK
    assert (blank.inputs[is_kept] == random.inputs[is_kept]).all()


def test_an_unknown_filler_is_refused():
    """The message has the value and the choices."""
    with pytest.raises(ValueError, match=r"filler is of an unknown kind \(noise\); hint: choose random or blank"):
        replace(TASK, filler="noise")


def test_questions_come_after_the_pairs():
    """No position of a pair has a target."""
    assert (batch().targets[:, : 2 * TASK.levels[1][1]] == IGNORED_TARGET).all()


def test_keys_and_values_come_from_their_halves_of_the_vocabulary():
    """Keys are in 1 .. V/2 - 1, values in V/2 .. V - 1; neither repeats within a sequence."""
    pairs, half = TASK.levels[1][1], TASK.vocabulary // 2
    inputs = batch(rows=256).inputs
    keys, values = inputs[:, 0 : 2 * pairs : 2], inputs[:, 1 : 2 * pairs : 2]
    assert (keys.min(), keys.max(), values.min(), values.max()) == (1, half - 1, half, TASK.vocabulary - 1)
    assert all(len(set(row)) == pairs for drawn in (keys, values) for row in drawn.tolist())


def test_short_gaps_are_likelier_with_a_small_power():
    """With power 0.01, weights fall like 1 / i: the first offset is drawn far more often than the last."""
    task = replace(TASK, levels=((64, 4),))
    targets = mqar.draw(task, 0, 2000, np.random.default_rng(0)).targets
    frequencies = (targets != IGNORED_TARGET).mean(axis=0)[8::2]
    assert frequencies[0] > 3 * frequencies[-1]
    assert frequencies[-1] > 0


def test_the_weights_of_the_first_drawn_gap_follow_the_power_law():
    """The first of the drawn offsets has probability i^(power - 1) / sum, within sampling error."""
    gaps = mqar._gaps(np.random.default_rng(0), 40_000, 8, 1, 0.01)[:, 0]
    weight = np.arange(1, 9) ** (0.01 - 1)
    assert np.bincount(gaps, minlength=8) / 40_000 == pytest.approx(weight / weight.sum(), abs=0.01)


def test_the_same_generator_draws_the_same_sequences():
    """A seed determines inputs and targets."""
    assert all((a == b).all() for a, b in zip(batch(seed=3), batch(seed=3), strict=True))


def test_training_climbs_the_levels_in_equal_shares_of_the_steps():
    """Early steps have short sequences; each batch has about the same number of tokens."""
    rng = np.random.default_rng(0)
    shapes = [mqar.training_batch(TASK, step, 12, rng).inputs.shape for step in range(12)]
    assert [length for _, length in shapes] == [
        length for length, _ in TASK.levels for _ in range(12 // len(TASK.levels))
    ]
    assert {rows * length for rows, length in shapes} == {TASK.batch * TASK.length}


def test_training_and_evaluation_share_no_sequence_of_the_hardest_level():
    """Sequences of different seeds differ."""
    training_rows = {row.tobytes() for row in batch(2, 4000, seed=1).inputs}
    assert not any(row.tobytes() in training_rows for row in batch(2, 128, seed=2).inputs)


def test_pairs_that_do_not_fit_are_refused():
    """A level needs room for its questions after its pairs."""
    with pytest.raises(
        ValueError, match=r"level does not fit \(length 31, 8 pairs, .*\); hint: 8 pairs need a length >= 32"
    ):
        replace(TASK, levels=((31, 8),))
