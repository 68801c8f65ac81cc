"""Rows of a campaign's rolling insights."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import InsightsReady
from memory.rows import Row, projects


@projects(InsightsReady)
@dataclass(frozen=True, slots=True)
class InsightsRow(Row):
    """The insights were written again."""

    table: ClassVar[str] = "insights"

    worked: tuple[str, ...]
    failed: tuple[str, ...]
    questions: tuple[str, ...]
    analysed: int
    """Number of analysed experiments that they cover."""
    written_by: str
    """`rules`, or a model with its prompt's version."""
