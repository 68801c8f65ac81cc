"""Rows of researcher programs: proposed, evaluated and promoted."""

import json
from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import ResearcherEvaluated, ResearcherPromoted, ResearcherProposed
from memory.rows import Row, projects


@projects(ResearcherProposed, genome=lambda event: "" if event.genome is None else json.dumps(event.genome))
@dataclass(frozen=True, slots=True)
class ProgramRow(Row):
    """A researcher program was proposed."""

    table: ClassVar[str] = "programs"
    held: ClassVar[bool] = False

    number: int
    name: str
    operator: str
    parents: tuple[str, ...]
    genome: str
    """Its parts as JSON; empty for a program that was written."""
    source: str
    source_sha256: str


@projects(
    ResearcherEvaluated,
    families=lambda event: json.dumps({name: one.model_dump(mode="json") for name, one in event.families.items()}),
)
@dataclass(frozen=True, slots=True)
class ProgramScoreRow(Row):
    """A program was run on the landscapes of a split."""

    table: ClassVar[str] = "program_scores"
    held: ClassVar[bool] = False

    split: str
    source_sha256: str
    families: str
    """Figures by family as JSON."""
    fitness: float | None
    failed: str
    faults: tuple[str, ...]


@projects(ResearcherPromoted)
@dataclass(frozen=True, slots=True)
class ProgramPromotionRow(Row):
    """A program may become the default."""

    table: ClassVar[str] = "program_promotions"
    held: ClassVar[bool] = False

    source_sha256: str
    over: str
    gain: float
    interval: tuple[float, ...]
    landscapes: int
    evidence: tuple[str, ...]
