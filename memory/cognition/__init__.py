"""The cognition base: published knowledge as structured entries, found by the problem that they solve.

Entries are data, one TOML file per family. Each has a paper's title, year and arXiv number and, in this project's own
words, the scenario in which it helps, the symptom by which an analysis shows it, the algorithm, the historical context,
and the units of the design grammar that it supports. A problem is compared with scenario and symptom together: in
`python -m benchmarks.cognition retrieval` that finds the right entry more often than with algorithms or titles too.
"""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from bus.vocabulary.events import Record
from bus.vocabulary.queries import CognitionEntry
from memory.cognition.searching import searched_text
from memory.cognition.stored import stored_vectors
from memory.retrieval.embedding import Embedder, Vectors32

FOLDER = Path(__file__).parent
"""The folder of the entries that come with the project."""


DIVERSITY = 0.3
"""Weight of an entry's similarity to those already chosen, against its similarity to the problem (maximal marginal
relevance, Carbonell and Goldstein 1998)."""


class CognitionFileEntry(Record):
    """One paper's entry, as written in a file."""

    key: str = Field(pattern=r"^[a-z0-9_]+$")
    """Stable key."""
    title: str = Field(min_length=5)
    """The paper."""
    year: int = Field(ge=1940, le=2100)
    """When it appeared."""
    arxiv: str = Field(pattern=r"^\d{4}\.\d{4,5}$")
    """Its arXiv number."""
    scenario: str = Field(min_length=40, max_length=500)
    """When it helps: the weakness it solves."""
    symptom: str = Field(min_length=30, max_length=300)
    """What the measurements or the design of an experiment show then, in the words of an analysis."""
    algorithm: str = Field(min_length=40, max_length=600)
    """What to do."""
    history: str = Field(min_length=30, max_length=500)
    """Earlier work, and what this paper changed."""
    units: tuple[str, ...] = ()
    """Units of the design grammar that it supports, as `axis:unit` or `path:kind`."""
    family: str = ""
    """Name of its file, without the suffix."""

    @property
    def problem(self) -> str:
        """The text that problems are compared with."""
        return f"{self.scenario} {self.symptom}"


def load_entries(folder: Path = FOLDER) -> tuple[CognitionFileEntry, ...]:
    """Return every entry of every TOML file of a folder. Raises ValueError if one is wrong or two share a key."""
    entries = [entry for path in sorted(folder.glob("*.toml")) for entry in _read(path)]
    keys = [entry.key for entry in entries]
    if duplicates := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"cognition entries have the same key ({', '.join(sorted(duplicates))}); hint: rename one")
    return tuple(entries)


def _read(path: Path) -> Iterable[CognitionFileEntry]:
    """Return a file's entries. Raises ValueError with one line."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("entry", [])
        return [CognitionFileEntry.model_validate({**table, "family": path.stem}) for table in tables]
    except (ValidationError, tomllib.TOMLDecodeError, OSError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())[:300]}") from None


class CognitionBase:
    """The entries, searchable by meaning."""

    def __init__(self, entries: Sequence[CognitionFileEntry], embedder: Embedder) -> None:
        """Take the entries, with their vectors if stored; else `add_vectors` sets them, or the first search does."""
        self.entries = tuple(entries)
        self._embedder = embedder
        self._vectors: Vectors32 | None = stored_vectors(self.texts, embedder.name)

    @property
    def ready(self) -> bool:
        """Whether the entries are embedded."""
        return self._vectors is not None

    def add_vectors(self, vectors: Vectors32) -> None:
        """Set the vectors [n, 384] of `texts`."""
        assert len(vectors) == len(self.entries)
        self._vectors = vectors

    @property
    def texts(self) -> list[str]:
        """The texts that have to be embedded before a search."""
        return [entry.problem for entry in self.entries]

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return at most k entries with a cosine of at least `min_similarity` to a problem, nearest first."""
        _, similarities = self._compare(text)
        order = np.lexsort((np.arange(len(self.entries)), -similarities))[:k]
        ranked = ((self.entries[index], round(float(similarities[index]), 6)) for index in order)
        return tuple(_reply(entry, similarity) for entry, similarity in ranked if similarity >= min_similarity)

    def diverse(
        self, text: str, k: int, min_similarity: float, accepts: Callable[[str, Sequence[str]], bool]
    ) -> tuple[CognitionEntry, ...]:
        """Return at most k accepted entries that are near a problem and unlike each other, the nearest first.

        `accepts` is given an entry's key and its units.
        """
        vectors, exact = self._compare(text)
        similarities = exact.round(5)  # the rest depends on which texts were embedded together
        left = [i for i, e in enumerate(self.entries) if similarities[i] >= min_similarity and accepts(e.key, e.units)]
        chosen: list[int] = []
        while left and len(chosen) < k:
            likeness = (vectors[left] @ vectors[chosen].T).max(axis=1).round(5) if chosen else np.zeros(len(left))
            best = left[int(np.argmax((1 - DIVERSITY) * similarities[left] - DIVERSITY * likeness))]
            chosen.append(best)
            left.remove(best)
        return tuple(_reply(self.entries[index], float(similarities[index])) for index in chosen)

    def _compare(self, text: str) -> tuple[Vectors32, Vectors32]:
        """Return the vectors of the entries [n, 384] and their cosine similarities to a problem [n]."""
        if self._vectors is None:
            self._vectors = self._embedder.encode(self.texts)
        return self._vectors, self._vectors @ self._embedder.encode([searched_text(text)])[0]


def _reply(entry: CognitionFileEntry, similarity: float) -> CognitionEntry:
    """Return an entry as it is sent over the bus."""
    return CognitionEntry(
        key=entry.key,
        title=f"{entry.title} ({entry.year}, arXiv:{entry.arxiv})",
        scenario=entry.scenario,
        algorithm=entry.algorithm,
        history=entry.history,
        units=entry.units,
        similarity=similarity,
    )
