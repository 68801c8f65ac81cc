"""The two accepted forms: recognised by class names and argument names, before or after a file is executed."""

import pytest

from architecture.forms import is_helper, is_layer, is_native, is_wrapper, takes_native_sizes


@pytest.mark.parametrize(
    ("arguments", "native", "native_sizes"),
    [
        (["d_model", "n_heads", "layer_idx"], True, True),
        (["d_model", "n_heads", "layer_idx", "window"], True, True),
        (["d_model", "n_heads"], False, True),
        (["d_model", "n_heads", "d_head"], False, True),
        (["n_heads", "d_model", "layer_idx"], False, False),
        ([], False, False),
    ],
)
def test_the_native_form_is_recognised_by_its_first_arguments(
    arguments: list[str], native: bool, native_sizes: bool
) -> None:
    """Their names and their order are fixed; further arguments may follow."""
    assert (is_native(arguments), takes_native_sizes(arguments)) == (native, native_sizes)


@pytest.mark.parametrize(
    ("class_name", "arguments", "expected"),
    [
        ("Attention", ["mode", "num_heads", "hidden_size"], True),
        ("Attention", ["config", "layer_idx"], True),
        ("Attention", ["dim"], True),
        ("Attention", ["num_heads"], False),
        ("GatedMLP", ["hidden_size"], False),
        ("GatedMLP", ["hidden_size", "num_heads"], True),
        ("GatedMLP", ["config"], True),
        ("Attention", [], False),
    ],
)
def test_a_layer_is_built_by_a_width_and_heads_a_configuration_or_a_width_alone(
    class_name: str, arguments: list[str], expected: bool
) -> None:
    """A class with the name of a helper is no layer if it takes a width alone."""
    assert is_layer(class_name, arguments) is expected


def test_helpers_and_wrappers_are_recognised_by_their_names() -> None:
    """A wrapper is also recognised by tokens among its arguments."""
    assert (is_helper("RMSNorm"), is_helper("DeltaNet")) == (True, False)
    assert (is_wrapper("DeltaBlock", []), is_wrapper("DeltaNet", ["hidden_size"])) == (True, False)
    assert is_wrapper("DeltaNet", ["hidden_size", "vocab_size"])
