"""Markdown from values: text of others in which nothing is markup, and tables."""

import re
from collections.abc import Iterable, Sequence

MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")
"""Characters that Markdown may read as markup."""
MAX_TEXT_CHARACTERS = 300
Row = Sequence[object]


def plain(text: str) -> str:
    """Return a text on one line, cut to a bearable length, in which no character is markup."""
    return MARKUP.sub(r"\\\1", " ".join(text.split())[:MAX_TEXT_CHARACTERS])


def table(head: Iterable[str], rows: Iterable[Row]) -> str:
    """Return a Markdown table; its cells have no line breaks."""
    lines = [tuple(head), *rows]
    text = [f"| {' | '.join(map(str, line))} |" for line in lines]
    return "\n".join([text[0], "|" + " --- |" * len(lines[0]), *text[1:]])
