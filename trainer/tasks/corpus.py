"""Real text as bytes, split by document into training, validation and sealed parts.

The default is the running interpreter's own standard library source, which needs no download and ships no text of
others; it varies with the Python version, so its hash is recorded. `--data` takes a file (cut at blank lines into
documents) or a folder (each file one document) instead. Identical documents count once, so that none is in two parts.
"""

import hashlib
import lzma
import math
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from trainer.tasks.kinds import Language

SKIPPED = frozenset(
    {"test", "tests", "encodings", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)
HELD_OUT = 0.05
"""Share of the bytes that validation gets, and sealed again."""
PIECE = 16_384
"""Bytes after which a single file may be cut, at the next blank line."""
SAMPLE = 1 << 18
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
        sample = self.train[:SAMPLE]
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
    documents = {hashlib.sha256(text).digest(): text for text in _documents(path) if text}
    if not documents:
        raise ValueError(f"{path or 'the standard library'}: no text found")
    try:
        return _split([documents[key] for key in sorted(documents)], limit)
    except ValueError as error:
        raise ValueError(f"{path or 'the standard library'}: {error}") from None


def _split(documents: list[bytes], limit: int) -> Corpus:
    """Share documents out in order: validation first, then sealed, the rest for training, up to `limit` bytes."""
    kept, total = [], 0
    for text in documents:
        if total + len(text) <= limit or not kept:
            kept.append(text)
            total += len(text)
    parts: list[list[bytes]] = [[], [], []]
    part, size = 0, 0
    for text in kept:
        parts[part].append(text)
        size += len(text)
        if part < 2 and size >= HELD_OUT * total:
            part, size = part + 1, 0
    if not parts[2]:
        raise ValueError(f"too little text: {len(kept)} documents can't be split in three")
    validation, sealed, train = (b"\n".join(part) for part in parts)
    return Corpus(train, validation, sealed, _hash(kept))


def _hash(documents: list[bytes]) -> str:
    """Return the SHA-256 of the documents' own hashes, in order."""
    return hashlib.sha256(b"".join(hashlib.sha256(text).digest() for text in documents)).hexdigest()


def _documents(path: str | None) -> Iterator[bytes]:
    """Yield the documents at a path."""
    root = Path(path or sysconfig.get_path("stdlib"))
    try:
        if root.is_file():
            yield from _pieces(root.read_bytes())
        elif root.is_dir():
            yield from (file.read_bytes() for file in _files(root, ".py" if path is None else ""))
        else:
            raise ValueError(f"{path}: no such file or folder")
    except OSError as error:
        raise ValueError(f"{error.filename or path}: {error.strerror}") from None


def _files(root: Path, suffix: str) -> Iterator[Path]:
    """Yield the files below a folder in a fixed order; the standard library's tests and tables are left out."""
    for folder, folders, files in os.walk(root, onerror=_refuse):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (not suffix or name not in SKIPPED)
        )
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(suffix) and not name.startswith("."))


def _refuse(error: OSError) -> None:
    """Don't pass over a folder that can't be read."""
    raise error


def _pieces(text: bytes) -> Iterator[bytes]:
    """Cut one file into documents of about PIECE bytes at blank lines (or anywhere, where there are none)."""
    start = 0
    while start < len(text):
        cut = text.find(b"\n\n", start + PIECE, start + 2 * PIECE)
        end = start + PIECE if cut < 0 else cut + 2
        yield text[start:end]
        start = end
