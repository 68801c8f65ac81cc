"""The vectors of the entries that come with the project, worked out once: a lab starts without embedding them.

    python -m memory.cognition  # writes them anew, where entries or embeddings have changed

The file says which texts and which embeddings it is of; for any others it is as if it were not there.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memory.retrieval.embedding import SentenceEmbedder, Vectors32

FILE = Path(__file__).with_name("vectors.npz")


def stored(texts: Sequence[str], embedder: str) -> Vectors32 | None:
    """Return the vectors [n, 384] of exactly these texts by an embedder's name; None where they are not stored."""
    try:
        with np.load(FILE, allow_pickle=False) as kept:
            return kept["vectors"] if kept["of"] == _digest(texts, embedder) else None
    except (OSError, KeyError, ValueError):
        return None


def write() -> None:
    """Embed the project's own entries and write the file."""
    from memory.cognition import CognitionBase, load_entries

    embedder = SentenceEmbedder()
    texts = CognitionBase(load_entries(), embedder).texts
    with FILE.open("wb") as file:
        np.savez(file, of=_digest(texts, embedder.name), vectors=embedder.encode(texts))


def _digest(texts: Sequence[str], embedder: str) -> str:
    """Return what tells these texts and this embedder from all others."""
    return hashlib.sha256("\n".join((embedder, *texts)).encode()).hexdigest()
