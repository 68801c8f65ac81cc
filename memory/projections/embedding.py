"""What is worked out from proposals and kept to save the work: embedded motivations. No part of the digest."""

from dataclasses import dataclass
from typing import ClassVar

from memory.rows import Row


@dataclass(frozen=True, slots=True)
class EmbeddingRow(Row):
    """A motivation's vector; `seq` is its proposal's."""

    table: ClassVar[str] = "vectors"
    held: ClassVar[bool] = False

    model: str
    """Which embedder it is from."""
    novelty: float
    """1 − the highest cosine similarity to an earlier motivation of the campaign, 1 for the first."""
    vector: bytes
    """384 little-endian float32 of unit length."""
