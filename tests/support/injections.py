"""Hostile texts that try to control the lab, and what the desk reads from them."""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from agents.design import BASELINES
from agents.roles.desk import read_message
from bus.delivery.role import Post
from bus.vocabulary.events import HumanKind
from bus.wire.envelope import MalformedMessage

FILE = Path(__file__).parent.parent / "agents" / "injections.json"
TEXTS = tuple(
    text if isinstance(text, str) else text[0] * text[1]
    for group in json.loads(FILE.read_text()).values()
    for text in group
)
"""All texts; the file writes a long one as a piece and its number of repetitions."""
PLAIN = "prefer a gate"
KINDS = get_args(HumanKind)
GLA = BASELINES["gla"].source


def hidden_characters(text: str) -> set[str]:
    """Return the characters of a text that control a terminal or are invisible."""
    categories = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return {
        character for character in text if character not in "\n\t" and unicodedata.category(character) in categories
    }


def read_with_text(kind: str, text: str) -> list[Post] | MalformedMessage:
    """Return what the desk reads from a JSON message with the text in every field."""
    fields = {"kind": kind, "text": text, "by": text}
    if kind in {"veto", "restore"}:
        fields["target"] = "e0001"
    if kind == "propose":
        fields["source"] = f"# {text}\n{GLA}"
    return read_message(json.dumps(fields).encode(), "nano-0-aa", 7)


def accepted_texts(kind: str) -> Iterator[tuple[str, list[Post]]]:
    """Yield every text that the desk accepts as this kind of message, with its posts."""
    for text in TEXTS:
        result = read_with_text(kind, text)
        if not isinstance(result, MalformedMessage):
            yield text, result
