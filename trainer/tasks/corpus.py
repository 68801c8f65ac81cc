"""Real text as bytes, split by document into training, validation and sealed parts.

The default is the running interpreter's own standard library source, which needs no download and ships no text of
others; it varies with the Python version, so its hash is recorded. `--data` takes the user's own instead
(`trainer.tasks.documents` says in which forms). Identical documents count once, so that none is in two parts. Which
part a document falls into depends on those of lower hash, never on names, order or how much a rung reads: what is
sealed at one rung is sealed at every other.
"""

import hashlib
import lzma
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from trainer.tasks.documents import documents
from trainer.tasks.kinds import Language

HELD_OUT_SHARES = 0.05
"""Share of the bytes that validation gets, and sealed again."""
MAX_HELD_RATIO = 2
"""Documents are held in memory up to this multiple of the limit, so that a large dataset costs no more."""
FLOOR_SAMPLE_BYTES = 1 << 18
"""Bytes the entropy floor is estimated on."""


@dataclass(frozen=True)
class Corpus:
    """Text in three parts that share no document."""

    train: bytes
    """What a child is given."""
    validation: bytes
    """What every score is computed on."""
    sealed: bytes
    """What only a verification may look at."""
    sha256: str
    """Hash over all documents, in order."""

    @cached_property
    def floor(self) -> float:
        """Nats per byte that no honest byte model of these scales goes below: half of what xz needs on a sample."""
        sample = self.train[:FLOOR_SAMPLE_BYTES]
        return 0.5 * 8 * math.log(2) * len(lzma.compress(sample)) / len(sample)


def load_corpus(data: str | Path | None, *tasks: Language) -> Corpus:
    """Return the corpus at `data` (None: the standard library), of at most the largest `corpus_bytes` of the tasks.

    Raises ValueError in one line where it is missing, unreadable, empty, or has too little text to validate on.
    """
    limit = max(task.corpus_bytes for task in tasks)
    corpus = _load(str(Path(data).expanduser().resolve()) if data else None, limit)
    least = max(2 * task.length * min(task.held_out, 16) for task in tasks)
    if len(corpus.validation) < least:
        held = f"{len(corpus.validation)} bytes in whole documents can be held out, {least} are needed"
        raise ValueError(f"{data or 'the standard library'}: too little text: {held}")
    return corpus


@cache
def _load(path: str | None, limit: int) -> Corpus:
    """Read and split; a trainer reads its corpus once."""
    found = _lowest(documents(path), MAX_HELD_RATIO * limit)
    if not found:
        raise ValueError(f"{path or 'the standard library'}: no text found")
    try:
        return _split(found, limit)
    except ValueError as error:
        raise ValueError(f"{path or 'the standard library'}: {error}") from None


def _lowest(texts: Iterable[bytes], limit: int) -> list[bytes]:
    """Return the distinct documents in the order of their hashes, up to `limit` bytes and at least one."""
    held: dict[bytes, bytes] = {}
    size = 0
    for text in texts:
        key = hashlib.sha256(text).digest()
        if text and key not in held:
            held[key] = text
            size += len(text)
        if size > 2 * limit:
            held = _within(held, limit)
            size = sum(map(len, held.values()))
    return list(_within(held, limit).values())


def _within(held: dict[bytes, bytes], limit: int) -> dict[bytes, bytes]:
    """Return the documents of the lowest hashes, sorted, up to the limit."""
    kept: dict[bytes, bytes] = {}
    size = 0
    for key in sorted(held):
        size += len(held[key])
        if size > limit and kept:
            break
        kept[key] = held[key]
    return kept


def _split(texts: list[bytes], limit: int) -> Corpus:
    """Share documents out in the order of their hashes, and keep those that fit into `limit` bytes."""
    parts: tuple[list[bytes], ...] = ([], [], [])
    kept, total = [], 0
    for part, text in zip(_places(texts), texts, strict=True):
        if total + len(text) <= limit or not kept:
            kept.append(text)
            total += len(text)
            parts[part].append(text)
    if not all(parts):
        raise ValueError(f"too little text: {len(kept)} documents can't be split in three")
    validation, sealed, train = (b"\n".join(part) for part in parts)
    return Corpus(train, validation, sealed, _hash(kept))


def _places(texts: Iterable[bytes]) -> Iterator[int]:
    """Yield each part: validation (0) or sealed (1) where that is empty or nears its share, else training (2).

    More documents after it, which a larger rung reads, don't change a document's place.
    """
    sizes, total = [0, 0, 0], 0
    for text in texts:
        total += len(text)
        held = (part for part in (0, 1) if not sizes[part] or sizes[part] + len(text) / 2 < HELD_OUT_SHARES * total)
        part = next(held, 2)
        sizes[part] += len(text)
        yield part


def _hash(texts: list[bytes]) -> str:
    """Return the SHA-256 of the documents' own hashes, in order."""
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()
