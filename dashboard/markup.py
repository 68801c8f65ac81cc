"""HTML and SVG that can't be broken by what is put into it: plain text is escaped, and only `Markup` is not.

Names, motivations, sources and error messages come from models, candidates and strangers. Whatever is a `str` is
escaped here and nowhere else; characters that reorder, hide or control text are spelled out, so that what a reader
sees is what was written.
"""

import re
from collections.abc import Iterable
from functools import cache


class Markup(str):
    """Text that is already HTML. Made by `el`, `join` and `text`, or from literals of this project, never from data."""

    __slots__ = ()


Child = Markup | str | int | None
"""What an element may hold: markup as it is, anything else as text, None as nothing."""
Value = str | float | bool | None
"""What an attribute may be: text, a coordinate, a flag, or absent."""
VOID = frozenset({"br", "col", "hr", "input", "link", "meta"})
"""HTML elements that have no end tag."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_SPECIAL = re.compile(
    "[&<>\"'"
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and newline
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"  # joiners, marks of direction, fillers, nothing-characters
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags
)


def _spell(match: re.Match[str]) -> str:
    """Return a special character as an entity, as its control picture, or by its code point."""
    char = match[0]
    if char in _ENTITIES:
        return _ENTITIES[char]
    return chr(0x2400 + ord(char)) if char < "\x20" else f"⟨U+{ord(char):04X}⟩"


def text(value: object) -> Markup:
    """Return a value as markup that shows it literally; line ends become newlines, markup stays as it is."""
    if isinstance(value, Markup):
        return value
    plain = str(value)
    return Markup(_SPECIAL.sub(_spell, plain.replace("\r\n", "\n") if "\r" in plain else plain))


def clip(value: str, most: int) -> str:
    """Return a text shortened to `most` characters, saying how many more there were."""
    return value if len(value) <= most else f"{value[:most]}… ({len(value) - most:,} more characters)"


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return children one after the other, text among them escaped."""
    return Markup(text(between).join([text(child) for child in children if child is not None]))


def el(name: str, *children: Child, **attributes: Value) -> Markup:
    """Return an element; `class_` spells class, `data_x` data-x, None and False leave an attribute out."""
    opening = name + "".join([_attribute(key, value) for key, value in attributes.items() if value is not None])
    return Markup(f"<{opening}>" if name in VOID else f"<{opening}>{join(children)}</{name}>")


def _attribute(key: str, value: str | float) -> str:
    """Return one attribute with the blank before it."""
    if isinstance(value, bool):
        return f" {_spelled(key)}" if value else ""
    return f' {_spelled(key)}="{number(value) if isinstance(value, float) else text(value)}"'


@cache
def _spelled(key: str) -> str:
    """Return a keyword as HTML spells the attribute; keywords are this project's own, so there are few."""
    return key.rstrip("_").replace("_", "-")


def number(value: float) -> str:
    """Return a coordinate with at most two decimals and no idle zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
