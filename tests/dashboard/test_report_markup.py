"""Markup: any text that is put in is shown literally."""

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from dashboard.markup import Markup, clip, el, join, number, text


def test_text_is_escaped() -> None:
    """Special characters of HTML become entities, in content and in attributes."""
    assert el("p", "a<b & 'c'", title='"x">') == '<p title="&quot;x&quot;&gt;">a&lt;b &amp; &#39;c&#39;</p>'


def test_markup_is_not_escaped_again() -> None:
    """An element inside an element is unchanged."""
    assert el("p", el("b", "x"), "<") == "<p><b>x</b>&lt;</p>"


def test_characters_that_reorder_or_hide_text_become_code_points() -> None:
    """Direction marks, zero-width characters, controls and lone surrogates are shown as code points."""
    assert text("a\u202eb") == "a⟨U+202E⟩b"
    assert text("a\u200bb\ufeff") == "a⟨U+200B⟩b⟨U+FEFF⟩"
    assert text("\x1b[31m\x00\x7f") == "␛[31m␀⟨U+007F⟩"
    assert text("\ud800").encode() == "⟨U+D800⟩".encode()


def test_lines_and_tabs_are_kept() -> None:
    """A source keeps its lines; CRLF becomes a newline."""
    assert text("a\r\n\tb\n") == "a\n\tb\n"


@given(st.text())
def test_any_text_is_escaped_and_can_be_read_back(raw: str) -> None:
    """No text opens a tag, ends an attribute or fails to encode; plain text can be read back unchanged."""
    shown = text(raw)
    assert not set(shown) & set("<>\"'")
    shown.encode()
    if raw.isprintable() and raw.isascii():
        assert unescape(shown) == raw


def test_attributes_are_left_out_or_bare() -> None:
    """None and False leave an attribute out, True writes its bare name, underscores become hyphens."""
    assert el("i", class_="a", data_x="1", hidden=True, open=False, title=None) == '<i class="a" data-x="1" hidden></i>'


def test_void_elements_have_no_end() -> None:
    """A `meta` element has no end tag."""
    assert el("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_join_escapes_the_separator() -> None:
    """Separators are escaped, and None is left out."""
    assert join(["a", None, Markup("<b></b>")], " & ") == "a &amp; <b></b>"


def test_clip_says_how_much_it_cut() -> None:
    """A shortened text ends with the number of characters that were cut."""
    assert clip("abcdef", 4) == "abcd… (2 more characters)"
    assert clip("abcd", 4) == "abcd"


def test_numbers_are_short() -> None:
    """Coordinates have at most two decimals and no trailing zeros."""
    assert [number(v) for v in (1.0, 0.256, 100.0, -3.5)] == ["1", "0.26", "100", "-3.5"]
