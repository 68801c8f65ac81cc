"""Text from people, papers, models and tracebacks, made plain: no control or bidirectional characters, a capped length.

Such text is data wherever it goes: into an event, onto a terminal, between delimiters in a prompt.
"""

import unicodedata

_KEPT = frozenset("\n\t")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that steer a terminal or a reader's eye: controls, bidi marks, surrogates, unassigned."""


def clean_text(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text without hidden ones; line breaks and tabs stay."""
    unified = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n")
    seen = "".join(c for c in unified if c in _KEPT or unicodedata.category(c) not in _HIDDEN)
    return seen.strip() if len(seen) <= limit else seen[: limit - 1].strip() + "…"


def clean_line(text: str, limit: int) -> str:
    """Return the text on one line."""
    return clean_text(" ".join(clean_text(text, 4 * limit).split()), limit)


def clean_tail(text: str, limit: int) -> str:
    """Return the last `limit` characters of the text without hidden ones: where a traceback says what was wrong."""
    return clean_text(text[-limit:], limit)
