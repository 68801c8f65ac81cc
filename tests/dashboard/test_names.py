"""Short names of designs: short, stable, and made from the name alone; and one set of words on all pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.modules import STATIC
from dashboard.names import MAX_SHORT_CHARACTERS, label, short_name
from dashboard.report.scores import STATUS_WORDS


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("gated-delta·wide-key·single-key·conv4·value-skip·wide-value·joint-norm", "gated-delta/conv4"),
        ("gated-delta·k-conv4·wide-value·silu-gate", "gated-delta/k-conv4"),
        ("gated-signed-delta·wide-key+window·weighted·shift", "gated-signed-delta+window"),
        ("channel-delta·narrow-key·silu-gate", "channel-delta/narrow-key"),
        ("gla", "gla"),
        ("two\nlines  and blanks", "two lines and blanks"),
        ("forget-gate-delta·wide-key+learned-decay-delta·conv2", "forget-gate-delta+learned…"),
        ("", ""),
    ],
)
def test_a_short_name_keeps_what_tells_most(name: str, short: str) -> None:
    """The first unit of each path, and the unit that tells designs with the same update apart."""
    assert short_name(name) == short


@given(st.text())
def test_a_short_name_is_never_long(name: str) -> None:
    """Whatever a model calls its design, a table has space for it."""
    assert len(short_name(name)) <= MAX_SHORT_CHARACTERS
    assert "\n" not in short_name(name)


@pytest.mark.parametrize(
    ("experiment", "name", "expected"),
    [
        ("e0042", "gated-delta·conv4", "e0042 · gated-delta/conv4"),
        ("base-gla", "gla", "gla · baseline"),
        ("e0001", "", "e0001"),
    ],
)
def test_a_label_says_each_thing_once(experiment: str, name: str, expected: str) -> None:
    """A baseline's id already has its name."""
    assert label(experiment, name) == expected


def test_the_words_for_a_status_are_those_of_the_report() -> None:
    """One set of words on all pages."""
    script = (STATIC / "parts" / "words.js").read_text()
    table = script[script.index("STATUS = {") : script.index("};")]
    assert dict(re.findall(r'(\w+): "([^"]+)"', table)) == STATUS_WORDS
