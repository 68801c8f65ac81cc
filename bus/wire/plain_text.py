"""Removes control and bidirectional characters from text of people, papers, models and tracebacks, and caps its length.

Such text is only data wherever it goes: in an event, on a terminal, between delimiters in a prompt.
"""

import unicodedata

_ALLOWED = frozenset("\n\t")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that can control a terminal or mislead a reader: controls, bidi marks, surrogates, unassigned."""


def clean_text(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text without hidden characters; line breaks and tabs stay."""
    unified = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n")
    visible = "".join(c for c in unified if c in _ALLOWED or unicodedata.category(c) not in _HIDDEN)
    return visible.strip() if len(visible) <= limit else visible[: limit - 1].strip() + "…"


def clean_line(text: str, limit: int) -> str:
    """Return the text on one line, at most `limit` characters."""
    return clean_text(" ".join(clean_text(text, 4 * limit).split()), limit)


def clean_tail(text: str, limit: int) -> str:
    """Return the last `limit` characters of the text without hidden ones; a traceback ends with the error."""
    return clean_text(text[-limit:], limit)
