"""State tracking: a target is the product of all permutations so far."""

from itertools import permutations

import numpy as np
import pytest

from trainer.tasks import draws
from trainer.tasks.kinds import parse_task

SETTINGS = {"kind": "state_tracking", "batch": 64, "length": 12, "held_out": 32, "learning_rate": 0.1}


def task(symbols: int):
    return parse_task("tracking", {**SETTINGS, "weight_decay": 0.0, "symbols": symbols})


def test_two_symbols_are_parity():
    """The target is whether the number of swaps so far is odd."""
    inputs, targets = draws.training_draw(task(2), 1, 0, None)(0)
    assert inputs.shape == (64, 12)
    assert (targets == inputs.cumsum(axis=1) % 2).all()


@pytest.mark.parametrize("symbols", [3, 4])
def test_a_target_moves_the_symbols_as_all_permutations_did(symbols: int):
    """Symbols that are moved step by step end where the target's permutation puts them."""
    elements = list(permutations(range(symbols)))
    for inputs, targets in zip(*draws.training_draw(task(symbols), 1, 0, None)(0), strict=True):
        places = list(range(symbols))
        for element, target in zip(inputs, targets, strict=True):
            places = [elements[element][place] for place in places]
            assert tuple(places) == elements[target]


def test_the_evaluation_has_its_own_sequences():
    """It has the asked number of windows and as many decoys, and none of them was trained on."""
    trained = {row.tobytes() for row in draws.training_draw(task(3), 1, 0, None)(0).inputs}
    (level,) = draws.evaluation_levels(task(3), np.random.default_rng(1), 0, None)
    assert len(level.windows.inputs) == len(level.decoys) == 32
    assert not trained & {row.tobytes() for row in [*level.windows.inputs, *level.decoys]}


def test_a_group_that_is_trivial_or_too_large_is_refused():
    """The message has the number and the allowed range."""
    for symbols in (1, 6):
        with pytest.raises(ValueError, match=rf"too few or too many \({symbols}\); hint: choose from 2 to 5"):
            task(symbols)
