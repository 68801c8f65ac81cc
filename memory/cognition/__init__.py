"""The cognition base: published knowledge as structured entries, found by the problem that they answer.

Entries are data, one TOML file per family, each with a paper's title, year and arXiv number and, in this project's own
words, the scenario in which it helps, the algorithm, the historical context, and the units of the design grammar that
it speaks for. A problem is compared with scenarios alone: `python -m benchmarks.memory retrieval` found that to hit
more often than scenarios with algorithms or titles.
"""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from bus.vocabulary.events import Record
from bus.vocabulary.queries import CognitionEntry
from memory.cognition.stored import stored
from memory.retrieval.embedding import Embedder, Vectors32

FOLDER = Path(__file__).parent


class CognitionFileEntry(Record):
    """One paper's piece of knowledge, as it stands in a file."""

    key: str = Field(pattern=r"^[a-z0-9_]+$")
    """Stable key."""
    title: str = Field(min_length=5)
    """The paper."""
    year: int = Field(ge=1940, le=2100)
    """When it appeared."""
    arxiv: str = Field(pattern=r"^\d{4}\.\d{4,5}$")
    """Its arXiv number."""
    scenario: str = Field(min_length=40, max_length=500)
    """When it helps: the weakness it answers."""
    algorithm: str = Field(min_length=40, max_length=600)
    """What to do."""
    history: str = Field(min_length=30, max_length=500)
    """What came before it and what it changed."""
    units: tuple[str, ...] = ()
    """Units of the design grammar that it speaks for, as `axis:unit` or `path:kind`."""
    family: str = ""
    """The file it stands in."""


def load_entries(folder: Path = FOLDER) -> tuple[CognitionFileEntry, ...]:
    """Return every entry of every TOML file of a folder. Raises ValueError where one is wrong or comes twice."""
    entries = [entry for path in sorted(folder.glob("*.toml")) for entry in _read(path)]
    keys = [entry.key for entry in entries]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"cognition entries come twice: {', '.join(sorted(twice))}")
    return tuple(entries)


def _read(path: Path) -> Iterable[CognitionFileEntry]:
    """Return a file's entries. Raises ValueError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("entry", [])
        return [CognitionFileEntry.model_validate({**table, "family": path.stem}) for table in tables]
    except (ValidationError, tomllib.TOMLDecodeError, OSError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())[:300]}") from None


class CognitionBase:
    """The entries, searchable by meaning."""

    def __init__(self, entries: Sequence[CognitionFileEntry], embedder: Embedder) -> None:
        """Hold the entries; vectors that are not stored are taken with `take`, or worked out at the first question."""
        self.entries = tuple(entries)
        self._embedder = embedder
        self._vectors: Vectors32 | None = stored(self.texts, embedder.name)

    @property
    def ready(self) -> bool:
        """Whether a question can be answered without embedding the entries first."""
        return self._vectors is not None

    def add_vectors(self, vectors: Vectors32) -> None:
        """Take the vectors [n, 384] of `texts`."""
        assert len(vectors) == len(self.entries)
        self._vectors = vectors

    @property
    def texts(self) -> list[str]:
        """What has to be embedded before a question can be answered."""
        return [entry.scenario for entry in self.entries]

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return at most k entries with a cosine of at least `min_similarity` to a problem, nearest first."""
        if self._vectors is None:
            self._vectors = self._embedder.encode(self.texts)  # [n, 384]
        similarities = self._vectors @ self._embedder.encode([text])[0]  # [n]
        order = np.lexsort((np.arange(len(self.entries)), -similarities))[:k]
        found = ((self.entries[at], round(float(similarities[at]), 6)) for at in order)
        return tuple(_answer(entry, near) for entry, near in found if near >= min_similarity)


def _answer(entry: CognitionFileEntry, similarity: float) -> CognitionEntry:
    """Return an entry as it crosses the bus."""
    return CognitionEntry(
        key=entry.key,
        title=f"{entry.title} ({entry.year}, arXiv:{entry.arxiv})",
        scenario=entry.scenario,
        algorithm=entry.algorithm,
        history=entry.history,
        units=entry.units,
        similarity=similarity,
    )
