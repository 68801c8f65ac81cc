"""The usual names: each has one meaning, and the trainer provides every argument that the static check accepts."""

import inspect
from itertools import combinations

from architecture import names
from trainer.candidate.construction import LayerSize, constructor_arguments

GROUPS = (
    names.HEAD_COUNTS, names.HEAD_WIDTHS, names.KEY_VALUE_HEADS, names.DEPTHS, names.WIDTHS, names.CONFIGURATIONS,
    names.WIDTH_MULTIPLES, names.DEFAULT_ARGUMENTS,
)  # fmt: skip


def test_a_name_has_one_meaning() -> None:
    """No two lists of arguments share a name."""
    assert [set(one) & set(other) for one, other in combinations(GROUPS, 2) if set(one) & set(other)] == []


def test_the_trainer_provides_every_provided_argument() -> None:
    """A constructor that requires them all gets all but configurations, which are built apart; unknown names stay."""
    required = inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY)
    parameters = dict.fromkeys(names.PROVIDED_ARGUMENTS | {"unheard_of"}, required)
    given = constructor_arguments(parameters, LayerSize(32, 2, 0))
    assert set(given) | names.CONFIGURATIONS == names.PROVIDED_ARGUMENTS
