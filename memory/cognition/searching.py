"""The text by which papers on a problem are searched: the problem without its figures.

Figures make problems of one kind alike: with them, every design found the same papers. Without them, the sentences of
an analysis are a few hundred, whose vectors come with the project (`memory.retrieval.known_sentences`).
"""

import re

FIGURE = re.compile(r"(?<![\w.-])[-+]?\d+(?:\.\d+)?(?![\w-]),?\s*")
"""A number that stands alone, with the blank space behind it; those of names such as `mamba2` stay."""


def searched_text(problem: str) -> str:
    """Return a problem as it is compared with papers; itself if nothing but figures is in it."""
    return FIGURE.sub("", problem).strip() or problem
