"""HTML and SVG that no text can break: every `str` is escaped, only `Markup` is not.

Names, motivations, sources and error messages come from models, candidates and strangers. They are escaped here and
nowhere else. Characters that reorder, hide or control text are replaced by their code points, so that a reader sees
every character.
"""

import re
from collections.abc import Iterable
from functools import cache


class Markup(str):
    """Text that is already HTML: from `el`, `join` and `text`, or from literals of this project, never from data."""

    __slots__ = ()


Child = Markup | str | int | None
"""Content of an element: markup is unchanged, text is escaped, None is left out."""
Value = str | float | bool | None
"""Value of an attribute: text, a coordinate or a flag; None leaves the attribute out."""
VOID = frozenset({"br", "col", "hr", "input", "link", "meta"})
"""HTML elements that have no end tag."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_SPECIAL = re.compile(
    "[&<>\"'"
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls except tab and newline
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"  # joiners, direction marks, fillers, noncharacters
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags
)


def _replacement(match: re.Match[str]) -> str:
    """Return a special character as an entity, as its control picture, or as its code point."""
    char = match[0]
    if char in _ENTITIES:
        return _ENTITIES[char]
    return chr(0x2400 + ord(char)) if char < "\x20" else f"⟨U+{ord(char):04X}⟩"


def text(value: object) -> Markup:
    """Return a value as markup that shows it literally; CRLF becomes a newline, markup is returned unchanged."""
    if isinstance(value, Markup):
        return value
    plain = str(value)
    return Markup(_SPECIAL.sub(_replacement, plain.replace("\r\n", "\n") if "\r" in plain else plain))


def clip(value: str, max_characters: int) -> str:
    """Return a text shortened to `max_characters`, with the number of characters that were cut."""
    return (
        value
        if len(value) <= max_characters
        else f"{value[:max_characters]}… ({len(value) - max_characters:,} more characters)"
    )


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return the children joined by `between`, with text escaped and None left out."""
    return Markup(text(between).join([text(child) for child in children if child is not None]))


def el(name: str, *children: Child, **attributes: Value) -> Markup:
    """Return an element; `class_` becomes class, `data_x` data-x; None and False leave an attribute out."""
    opening = name + "".join([_attribute(key, value) for key, value in attributes.items() if value is not None])
    return Markup(f"<{opening}>" if name in VOID else f"<{opening}>{join(children)}</{name}>")


def _attribute(key: str, value: str | float) -> str:
    """Return one attribute, with a leading blank."""
    if isinstance(value, bool):
        return f" {_attribute_name(key)}" if value else ""
    return f' {_attribute_name(key)}="{number(value) if isinstance(value, float) else text(value)}"'


@cache  # the names are this project's own, so the cache stays small
def _attribute_name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def number(value: float) -> str:
    """Return a coordinate with at most two decimals, without trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
