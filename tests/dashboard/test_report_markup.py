"""Markup: what is put in comes out as text, whatever it is."""

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from dashboard.markup import Markup, clip, el, join, number, text


def test_text_is_escaped() -> None:
    """Characters that mean something in HTML become entities, in content and in attributes."""
    assert el("p", "a<b & 'c'", title='"x">') == '<p title="&quot;x&quot;&gt;">a&lt;b &amp; &#39;c&#39;</p>'


def test_markup_is_not_escaped_again() -> None:
    """An element inside an element stays one."""
    assert el("p", el("b", "x"), "<") == "<p><b>x</b>&lt;</p>"


def test_what_reorders_or_hides_text_is_spelled_out() -> None:
    """Bidirectional marks, zero-width characters, controls and lone surrogates are shown, not obeyed."""
    assert text("a\u202eb") == "a⟨U+202E⟩b"
    assert text("a\u200bb\ufeff") == "a⟨U+200B⟩b⟨U+FEFF⟩"
    assert text("\x1b[31m\x00\x7f") == "␛[31m␀⟨U+007F⟩"
    assert text("\ud800").encode() == "⟨U+D800⟩".encode()


def test_lines_and_tabs_stay() -> None:
    """A source keeps its lines, with either kind of ending."""
    assert text("a\r\n\tb\n") == "a\n\tb\n"


@given(st.text())
def test_every_text_survives_and_breaks_nothing(raw: str) -> None:
    """No text opens a tag, ends an attribute or fails to encode, and plain text comes back unchanged."""
    shown = text(raw)
    assert not set(shown) & set("<>\"'")
    shown.encode()
    if raw.isprintable() and raw.isascii():
        assert unescape(shown) == raw


def test_attributes_are_left_out_or_bare() -> None:
    """None and False leave an attribute out, True writes its bare name, names are spelled as HTML has them."""
    assert el("i", class_="a", data_x="1", hidden=True, open=False, title=None) == '<i class="a" data-x="1" hidden></i>'


def test_void_elements_have_no_end() -> None:
    """A `meta` is not closed."""
    assert el("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_joining_escapes_what_is_between() -> None:
    """Separators are text too, and None is nothing."""
    assert join(["a", None, Markup("<b></b>")], " & ") == "a &amp; <b></b>"


def test_clip_says_what_is_missing() -> None:
    """A shortened text says how much was cut."""
    assert clip("abcdef", 4) == "abcd… (2 more characters)"
    assert clip("abcd", 4) == "abcd"


def test_numbers_are_short() -> None:
    """Coordinates keep two decimals at most and no idle zeros."""
    assert [number(v) for v in (1.0, 0.256, 100.0, -3.5)] == ["1", "0.26", "100", "-3.5"]
