"""The reading of wishes: which units a text asks for, which it rules out, and which words nobody knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.design.bias import UNIT_NAMES, WORD_UNITS
from agents.design.published import PUBLISHED
from agents.design.vocabulary import PHRASES, TERMS
from agents.design.wishes import near_words, read_wish, unit_words, wish_of
from memory.cognition import load_entries

SHORT = tuple(PHRASES["short conv"].split())
DELTA = ("update:delta", "update:delta_wide")


@pytest.mark.parametrize(
    ("text", "wanted", "avoided"),
    [
        ("use the delta rule with short convolutions", {DELTA, SHORT}, set()),
        ("try RWKV-7 style decay", {("decay:channel",)}, set()),
        ("decay as in RWKV-7, please", {("decay:channel",)}, set()),
        ("Mamba-2", {("update:step",), ("decay:scalar",)}, set()),
        ("retnet", {("decay:fixed",), ("position:rotary",)}, set()),
        ("Ret-Net", {("decay:fixed",), ("position:rotary",)}, set()),
        ("combine Mamba-2 with the delta rule", {("decay:scalar",), DELTA}, set()),
        ("no softmax attention", set(), {"path:window"}),
        ("stop using softmax attention", set(), {"path:window"}),
        ("no Mamba", set(), {"update:step"}),
        ("delta rule instead of additive writes", {DELTA}, {"update:additive"}),
        ("replace the additive update with the delta rule", {DELTA}, {"update:additive"}),
        ("no softmax attention but a delta rule", {DELTA}, {"path:window"}),
        ("no softmax attention, use the delta rule", {DELTA}, {"path:window"}),
        ("no windows, routers or token shifts", set(), {"path:window", "entry:shift", *WORD_UNITS["router"].split()}),
        ("the window must go", set(), {"path:window"}),
        ("don't drop the short convolution", {SHORT}, set()),
        ("not only the delta rule", {DELTA}, set()),
        ("no gates, but the SiLU gate", {("gate:silu", "gate:silu_first")}, {*PHRASES["gate"].split()} - {
            "gate:silu", "gate:silu_first"}),
        ("gate:low_rank", {("gate:low_rank",)}, set()),
        ("fewer parameters", {tuple(PHRASES["fewer parameters"].split())}, set()),
    ],
)  # fmt: skip
def test_what_a_text_asks_for(text: str, wanted: set[tuple[str, ...]], avoided: set[str]) -> None:
    """Phrases offer alternatives, names ask for all their units, and negations rule out."""
    wish = wish_of([text])
    assert wish
    assert set(wish.wanted) == wanted
    assert set(wish.avoided) == avoided


@pytest.mark.parametrize(
    "text", ["hurry up", "pay attention to the loss", "normally it converges", "based on that", ""]
)
def test_a_text_without_a_known_word_asks_for_nothing(text: str) -> None:
    """Everyday words that begin like one of the grammar are none."""
    assert wish_of([text]) is None


def test_the_later_text_wins() -> None:
    """It takes back what it contradicts, and leaves the rest in force."""
    assert wish_of(["no window", "a sliding window after all"]) == wish_of(["a sliding window"])
    later = wish_of(["per-channel decay and rotary", "a fixed decay"])
    assert later
    assert set(later.wanted) == {("position:rotary",), ("decay:fixed",)}
    assert wish_of(["the delta rule", "no delta rule"]) == wish_of(["no delta rule"])


def test_unknown_words_are_listed_with_those_that_are_written_alike() -> None:
    """A misspelt word, a name that nobody knows, and a unit that the grammar lacks."""
    reading = read_wish("use convolutoin, Mamba-9 and decay:quantum with hyperbolic keys please")
    assert reading.unknown == ("decay:quantum", "convolutoin", "Mamba-9", "hyperbolic", "keys")
    assert "convolution" in near_words("convolutoin")
    assert "mamba-2" in near_words("Mamba-9")
    assert "decay:channel" in near_words("decay:quantum")


@pytest.mark.parametrize(
    "name",
    ["RWKV-7", "Hyena", "GLA", "Mamba", "RetNet", "Let's try Based", "Comba", "KDA", "log-linear attention", "HGRN2",
     "xLSTM", "DeltaNet", "Gated DeltaNet", "RWKV", "Titans", "Griffin", "Samba", "S4D", "H3", "MesaNet", "TTT",
     "Kimi Linear"],
)  # fmt: skip
def test_published_names_are_known(name: str) -> None:
    """As people write them."""
    assert wish_of([name])
    assert read_wish(name).unknown == ()


def test_names_agree_with_the_cognition_base() -> None:
    """A name that has an entry there has at least one unit in common with it, or the entry names none."""
    entries = {entry.key.replace("_", ""): set(entry.units) for entry in load_entries()}
    shared = [name for name in PUBLISHED if name.replace(" ", "") in entries]
    assert len(shared) > 25
    assert not [name for name in shared if not entries[name.replace(" ", "")] & set(PUBLISHED[name].split())]


def test_every_term_names_units_of_the_grammar() -> None:
    """And every unit has words for the reply."""
    assert {unit for term in TERMS for unit in term.units} <= UNIT_NAMES
    assert all(unit_words(unit) for unit in UNIT_NAMES)


@given(st.text(max_size=200) | st.lists(st.sampled_from([*PUBLISHED, *PHRASES, "no", "but", ",", "."])).map(" ".join))
def test_any_text_has_a_reading(text: str) -> None:
    """Nothing is both asked for and ruled out."""
    wish = wish_of([text])
    if wish:
        assert not {unit for group in wish.wanted for unit in group} & set(wish.avoided)
