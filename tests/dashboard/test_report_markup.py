"""Markup shows any text literally."""

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from dashboard.report.markup import Markup, clip, el, join, number, text


def test_text_is_escaped() -> None:
    """Special characters of HTML become entities, in content and in attributes."""
    assert el("p", "a<b & 'c'", title='"x">') == '<p title="&quot;x&quot;&gt;">a&lt;b &amp; &#39;c&#39;</p>'


def test_markup_is_not_escaped_again() -> None:
    """An element inside an element is unchanged."""
    assert el("p", el("b", "x"), "<") == "<p><b>x</b>&lt;</p>"


def test_characters_that_reorder_or_hide_text_become_code_points() -> None:
    """Direction marks, zero-width characters, controls and lone surrogates are escaped as code points."""
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
    escaped = text(raw)
    assert not set(escaped) & set("<>\"'")
    escaped.encode()
    if raw.isprintable() and raw.isascii():
        assert unescape(escaped) == raw


def test_attributes_may_be_absent_or_without_value() -> None:
    """None and False omit an attribute, True writes its name alone, underscores become hyphens."""
    assert el("i", class_="a", data_x="1", hidden=True, open=False, title=None) == '<i class="a" data-x="1" hidden></i>'


def test_void_elements_have_no_end() -> None:
    """A `meta` element has no end tag."""
    assert el("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_join_escapes_the_separator() -> None:
    """It also omits None."""
    assert join(["a", None, Markup("<b></b>")], " & ") == "a &amp; <b></b>"


def test_clip_counts_the_omitted_characters() -> None:
    """A shortened text ends with their number."""
    assert clip("abcdef", 4) == "abcd… (2 more characters)"
    assert clip("abcd", 4) == "abcd"


def test_numbers_are_short() -> None:
    """Coordinates have at most two decimals and no trailing zeros."""
    assert [number(v) for v in (1.0, 0.256, 100.0, -3.5)] == ["1", "0.26", "100", "-3.5"]
