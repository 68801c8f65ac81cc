"""Facts and text of others as labelled blocks.

Text of people, papers, programs and other models stands in blocks: capped, without hidden characters, and with a tag
that names its source. The instructions say that such blocks are data. A block can still mislead a model. But it can't
change what an answer may be: a typed draft that is checked, jailed and scored like any other.
"""

import re
from dataclasses import dataclass
from typing import Literal

from bus.wire.plain_text import clean_text

MAX_TEXT_CHARACTERS = 1_500
MAX_SOURCE_CHARACTERS = 24_000
MAX_OUTPUT_CHARACTERS = 6_000

Provenance = Literal["person", "paper", "proposal", "candidate", "lab", "model", "tool"]
"""Where a block's text comes from: a person, a paper, the author of an idea, a candidate's output, this lab, the model
that reads it, or what a tool looked up."""
_OPEN, _CLOSE = "[<＜﹤‹〈⟨]", "[>＞﹥›〉⟩]"
"""Any kind of angle brackets."""
_NAME = r"[A-Za-z][\w-]*"
_WITHIN = r"[^>＞﹥›〉⟩]{0,200}"
"""What may follow a tag's name and an attribute's, an opening bracket included."""
_BLOCK_EDGE = re.compile(
    rf"{_OPEN}(\|[^<>|]{{0,64}}\||\s*[/／]\s*{_NAME}{_WITHIN}|{_NAME}(?:\s+[\w-]+\s*={_WITHIN})?\s*/?\s*){_CLOSE}"
)
"""Text that looks like the edge of a block, or like a chat token. An opening tag has attributes or nothing within it,
since a program may compare `a <b and c> d`; a closing tag may hold anything."""
_BLOCK_END = re.compile(rf"{_OPEN}(?=\s*[/／]\s*{_NAME})")
"""The beginning of a closing tag that does not end."""
_CHAT_WORD = re.compile(r"\[(/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS))\]")
"""A chat token in square brackets."""


def quote(label: str, text: str, limit: int, provenance: Provenance) -> str:
    """Return the text as a labelled block for a prompt; brackets in it that look like an edge become round."""
    return f'<{label} from="{provenance}">\n{_disarmed(clean_text(text, limit))}\n</{label}>'


def _disarmed(text: str) -> str:
    """Return a text without edges of blocks and chat tokens."""
    return _CHAT_WORD.sub(r"(\1)", _BLOCK_END.sub("(", _BLOCK_EDGE.sub(r"(\1)", text)))


@dataclass(frozen=True, slots=True)
class FactBlock:
    """One block, and how much a prompt needs it."""

    label: str
    """Its tag."""
    text: str
    """The whole block, tags included."""
    rank: int = 0
    """0 is never left out; of the others, the highest goes first."""
    about: str = ""
    """What it is about, such as an experiment's id; names it among what was left out."""

    @classmethod
    def of(
        cls,
        label: str,
        text: str,
        provenance: Provenance,
        *,
        rank: int = 0,
        limit: int = MAX_TEXT_CHARACTERS,
        about: str = "",
    ) -> "FactBlock":
        """Return a block of at most `limit` characters of a text."""
        return cls(label, quote(label, text, limit, provenance), rank, about)
