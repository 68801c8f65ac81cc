"""The stored vectors of the entries that come with the project, so that a lab starts without embedding them.

    python -m memory.cognition  # write them again after a change of the entries or the embedder

The file names its texts and its embedder; for other texts or another embedder it is ignored.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from memory.retrieval.embedding import SentenceEmbedder, Vectors32

FILE = Path(__file__).with_name("vectors.npz")


def stored_vectors(texts: Sequence[str], embedder: str) -> Vectors32 | None:
    """Return the vectors [n, 384] of exactly these texts by an embedder of that name; None if they are not stored."""
    try:
        with np.load(FILE, allow_pickle=False) as arrays:
            return arrays["vectors"] if arrays["of"] == _digest(texts, embedder) else None
    except (OSError, KeyError, ValueError):
        return None


def write_vectors() -> None:
    """Embed the project's own entries and write the file."""
    from memory.cognition import CognitionBase, load_entries

    embedder = SentenceEmbedder()
    texts = CognitionBase(load_entries(), embedder).texts
    with FILE.open("wb") as file:
        np.savez(file, of=_digest(texts, embedder.name), vectors=embedder.encode(texts))


def _digest(texts: Sequence[str], embedder: str) -> str:
    """Return a hash of the texts and the embedder's name."""
    return hashlib.sha256("\n".join((embedder, *texts)).encode()).hexdigest()
