"""Real text as bytes, split by document into training, validation and sealed parts.

The default is the standard library of the running interpreter: it needs no download, and this project ships no text of
other people. It varies with the Python version, so its hash is recorded. Runs can read most of it, so only modules that
the jail hides are held out (`trainer.tasks.standard_library`). `--data` names the user's own text instead;
`trainer.tasks.documents` lists the forms. Identical documents count once, so that none is in two parts.

The part of a document depends only on itself and the documents of lower hash. Names, order and the amount that a rung
reads do not matter: a document that is sealed at one rung is sealed at every other.
"""

import hashlib
import lzma
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from trainer.tasks.documents import read_documents, read_training_only
from trainer.tasks.kinds import TextTask

HELD_OUT_SHARES = 0.05
"""Share of the bytes for validation, and the same share again for the sealed part."""
MAX_HELD_RATIO = 2
"""Documents in memory may exceed the limit by this factor, so that a large dataset needs no more memory."""
FLOOR_SAMPLE_BYTES = 1 << 18
"""Bytes from which the entropy floor is estimated."""
STANDARD_LIBRARY = "the standard library"
"""Name of the default text in messages."""


@dataclass(frozen=True)
class Corpus:
    """Text in three parts that share no document."""

    train: bytes
    """Read by the workers."""
    validation: bytes
    """Read by the scorer, for every score."""
    sealed: bytes
    """Read only by a verification (`for_verification`)."""
    sha256: str
    """Hash over all documents, in order."""

    def for_verification(self) -> "Corpus":
        """Return the corpus whose held-out text is the sealed part, which no screening run is scored on."""
        return replace(self, validation=self.sealed)

    @cached_property
    def secret(self) -> str:
        """Hash of the text that no worker reads: from it come seeds that no worker can know."""
        return hashlib.sha256(self.validation + b"\0" + self.sealed).hexdigest()

    @cached_property
    def entropy_floor(self) -> float:
        """Nats per byte below which no honest byte model of these scales gets: half of what xz needs on a sample."""
        sample = self.train[:FLOOR_SAMPLE_BYTES]
        return 0.5 * 8 * math.log(2) * len(lzma.compress(sample)) / len(sample)


def load_corpus(data: str | Path | None, *tasks: TextTask) -> Corpus:
    """Return the corpus at `data` (None: the standard library), up to the largest `corpus_bytes` of the tasks.

    Raises ValueError, in one line, if it is missing, unreadable or empty, or has too little text to validate on.
    """
    limit = max(task.corpus_bytes for task in tasks)
    corpus = _load(str(Path(data).expanduser().resolve()) if data else None, limit)
    required = max(2 * task.length * min(task.held_out, 16) for task in tasks)
    if len(corpus.validation) < required:
        raise ValueError(
            f"{data or STANDARD_LIBRARY}: too little text ({len(corpus.validation)} bytes in whole documents can be "
            f"held out, {required} are needed); hint: give more text, or shorter documents"
        )
    return corpus


@cache
def _load(path: str | None, limit: int) -> Corpus:
    """Read and split the text, once for each trainer."""
    documents = _lowest_hashes(read_documents(path), MAX_HELD_RATIO * limit)
    if not documents:
        raise ValueError(f"{path or STANDARD_LIBRARY}: no text found; hint: give a text file, a table or a folder")
    try:
        return _split(documents, limit, frozenset(read_training_only(path)))
    except ValueError as error:
        raise ValueError(f"{path or STANDARD_LIBRARY}: {error}") from None


def _lowest_hashes(texts: Iterable[bytes], limit: int) -> list[bytes]:
    """Return the distinct documents in the order of their hashes, up to `limit` bytes and at least one."""
    by_hash: dict[bytes, bytes] = {}
    size = 0
    for text in texts:
        key = hashlib.sha256(text).digest()
        if text and key not in by_hash:
            by_hash[key] = text
            size += len(text)
        if size > 2 * limit:
            by_hash = _truncate(by_hash, limit)
            size = sum(map(len, by_hash.values()))
    return list(_truncate(by_hash, limit).values())


def _truncate(by_hash: dict[bytes, bytes], limit: int) -> dict[bytes, bytes]:
    """Return the documents of the lowest hashes, sorted, up to `limit` bytes and at least one."""
    lowest: dict[bytes, bytes] = {}
    size = 0
    for key in sorted(by_hash):
        size += len(by_hash[key])
        if size > limit and lowest:
            break
        lowest[key] = by_hash[key]
    return lowest


def _split(texts: list[bytes], limit: int, training_only: Collection[bytes]) -> Corpus:
    """Assign documents, in the order of their hashes, to parts; leave out those that exceed `limit` bytes.

    `training_only` are documents that may not be held out.
    """
    parts: tuple[list[bytes], ...] = ([], [], [])
    chosen, total = [], 0
    for part, text in zip(_assign_parts(texts, training_only), texts, strict=True):
        if total + len(text) <= limit or not chosen:
            chosen.append(text)
            total += len(text)
            parts[part].append(text)
    if not all(parts):
        raise ValueError(f"too little text ({len(chosen)} documents can't be split in three); hint: give more text")
    validation, sealed, train = (b"\n".join(part) for part in parts)
    return Corpus(train, validation, sealed, _hash(chosen))


def _assign_parts(texts: Iterable[bytes], training_only: Collection[bytes]) -> Iterator[int]:
    """Yield the part of each document: validation (0), sealed (1) or training (2).

    A document that may be held out goes to the first held-out part that is empty or below its share. Later documents,
    which a larger rung reads, do not change it.
    """
    sizes, total = [0, 0, 0], 0
    for text in texts:
        total += len(text)
        held_out = (part for part in (0, 1) if not sizes[part] or sizes[part] + len(text) / 2 < HELD_OUT_SHARES * total)
        part = 2 if text in training_only else next(held_out, 2)
        sizes[part] += len(text)
        yield part


def _hash(texts: list[bytes]) -> str:
    """Return the SHA-256 of the documents' own hashes, in order."""
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in texts)).hexdigest()
