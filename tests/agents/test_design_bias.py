"""Biases: the units that names and prose favour, and the combination of biases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.design import BASELINES, NEUTRAL, Bias, bias_from_text, unit_labels
from agents.design.bias import DISFAVOUR_FACTOR, FAVOUR_FACTOR, UNIT_NAMES, WORD_UNITS

NAMES = st.sampled_from(sorted(UNIT_NAMES)) | st.sampled_from(["decay:quantum", "path:tunnel", "", "decay"])
WORDS = st.sampled_from([*WORD_UNITS, "no", "without", "not", ".", "decay:channel", "path:window"])
TEXTS = st.lists(WORDS, max_size=8).map(" ".join)


def test_unit_names_favour_their_units_alone() -> None:
    """A unit's name favours that unit, and no unit whose words it contains."""
    bias = Bias.of_units(["decay:channel", "path:window"])
    assert bias.factors == {"decay:channel": FAVOUR_FACTOR, "path:window": FAVOUR_FACTOR}
    assert bias.matches == ("decay:channel", "path:window")
    assert bias_from_text(["decay:channel"]).of("decay:scalar") == FAVOUR_FACTOR  # prose about decay favours all decays


def test_a_bias_has_a_chosen_factor() -> None:
    """A factor below one disfavours the unit."""
    assert Bias.of_units(["gate:silu"], 0.5).of("gate:silu") == 0.5
    assert Bias.of_units(["gate:silu"], 0.5).of("gate:sigmoid") == 1.0


def test_unknown_unit_names_are_listed() -> None:
    """A name of another version of the grammar changes no weight and raises no error."""
    bias = Bias.of_units(["decay:quantum", "gate:silu", "path:tunnel", "decay:quantum", "nonsense"])
    assert bias.factors == {"gate:silu": FAVOUR_FACTOR}
    assert bias.unknown == ("decay:quantum", "path:tunnel", "nonsense")


@pytest.mark.parametrize("name", BASELINES)
def test_every_unit_of_a_design_is_known(name: str) -> None:
    """A bias accepts every name that a design gives to a unit."""
    assert Bias.of_units(unit_labels(BASELINES[name].design)).unknown == ()


def test_words_favour_known_units() -> None:
    """The table of words names no unit that the grammar lacks."""
    assert {unit for units in WORD_UNITS.values() for unit in units.split()} <= UNIT_NAMES


def test_the_later_bias_wins() -> None:
    """If two biases contradict, the later one counts; all other factors stay."""
    papers, guidance = Bias.of_units(["path:window", "gate:silu"]), bias_from_text(["no window, please"])
    assert (papers | guidance).factors == {"path:window": DISFAVOUR_FACTOR, "gate:silu": FAVOUR_FACTOR}
    assert (guidance | papers).of("path:window") == FAVOUR_FACTOR
    assert (papers | guidance).matches == ("path:window", "gate:silu", "window")


@given(st.lists(NAMES, max_size=6), st.lists(NAMES, max_size=6), TEXTS)
def test_combining_is_associative_and_neutral_is_neutral(units: list[str], other_units: list[str], text: str) -> None:
    """Neither grouping nor a neutral bias changes the result."""
    a, b, c = Bias.of_units(units), Bias.of_units(other_units, 0.3), bias_from_text([text])
    assert (a | b) | c == a | (b | c)
    assert a | NEUTRAL == NEUTRAL | a == a


@given(TEXTS, TEXTS)
def test_two_texts_give_the_combination_of_their_biases(earlier: str, later: str) -> None:
    """It makes no difference whether one call or two read them."""
    assert bias_from_text([earlier, later]) == bias_from_text([earlier]) | bias_from_text([later])


def test_the_later_text_wins() -> None:
    """A person may change their mind."""
    assert bias_from_text(["no router", "a router after all"]).of("fusion:router") > 1
    assert bias_from_text(["a router", "without a router"]).of("fusion:router") < 1


@given(st.text())
def test_any_text_gives_a_bias(text: str) -> None:
    """A text without a known word gives a neutral one."""
    bias = bias_from_text([text])
    assert bias.matches or not bias.factors
