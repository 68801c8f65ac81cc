"""The usual names: each has one meaning, and the trainer provides every argument that the static check accepts."""

import inspect
from itertools import combinations

from architecture import names
from trainer.candidate.construction import LayerSize, constructor_arguments

GROUPS = (
    names.HEAD_COUNT_NAMES, names.HEAD_WIDTHS, names.KEY_VALUE_HEADS, names.DEPTHS, names.WIDTHS, names.CONFIGURATIONS,
    names.WIDTH_MULTIPLES, names.DEFAULT_ARGUMENTS,
)  # fmt: skip


def test_a_name_has_one_meaning() -> None:
    """No two lists of arguments share a name."""
    assert [set(a) & set(b) for a, b in combinations(GROUPS, 2) if set(a) & set(b)] == []


def test_the_trainer_provides_every_provided_argument() -> None:
    """A constructor gets all of them except configurations, which are built separately; unknown names get no value."""
    required = inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY)
    parameters = dict.fromkeys(names.PROVIDED_ARGUMENTS | {"unknown_name"}, required)
    arguments = constructor_arguments(parameters, LayerSize(32, 2, 0))
    assert set(arguments) | names.CONFIGURATIONS == names.PROVIDED_ARGUMENTS
