"""Rows of embedded motivations: derived from proposals and stored to save the work. The digest leaves them out."""

from dataclasses import dataclass
from typing import ClassVar

from memory.rows import Row


@dataclass(frozen=True, slots=True)
class EmbeddingRow(Row):
    """The embedding of a motivation; `seq` is the position of its proposal."""

    table: ClassVar[str] = "vectors"
    held: ClassVar[bool] = False

    model: str
    """Name of the embedder."""
    novelty: float
    """1 − the highest cosine similarity to an earlier motivation of the campaign, 1 for the first."""
    vector: bytes
    """384 little-endian float32 of unit length."""
