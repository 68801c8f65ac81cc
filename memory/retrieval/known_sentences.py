"""Sentences whose vectors come with the project: those that a lab without language models embeds.

The sentence model takes half a gigabyte and seconds to load. A campaign without a language model embeds problems alone,
which the analyst puts together from known sentences. So such a lab never loads the model. The file names its embedder;
for another one it is ignored. `python -m lab.operations.known_sentences` writes it again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from memory.retrieval.embedding import Embedder, Vectors32

FILE = Path(__file__).with_name("known_sentences.npz")


def known_sentences(embedder: str) -> "Mapping[str, Vectors32]":
    """Return the vectors [384] by sentence, of an embedder of that name; none if there are none of it."""
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            if arrays["embedder"] != embedder:
                return {}
            return dict(zip(arrays["sentences"].tolist(), arrays["vectors"], strict=True))
    except (OSError, KeyError, ValueError):
        return {}


def write_known_sentences(sentences: Sequence[str], embedder: "Embedder") -> None:
    """Embed sentences and write the file."""
    with FILE.open("wb") as file:
        np.savez_compressed(
            file, embedder=embedder.name, sentences=np.array(sentences), vectors=embedder.encode(sentences)
        )
