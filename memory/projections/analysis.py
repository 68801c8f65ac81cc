"""Rows of results: the analysis of each experiment with its objective."""

import json
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar

from bus.vocabulary.events import AnalysisReady
from memory.rows import Row, projects


@projects(
    AnalysisReady,
    loss=attrgetter("parts.loss"),
    benchmark=attrgetter("parts.benchmark"),
    judge=attrgetter("parts.judge"),
)
@dataclass(frozen=True, slots=True)
class AnalysisRow(Row):
    """An experiment got its fitness and its explanation."""

    table: ClassVar[str] = "analyses"

    fitness: float
    loss: float
    benchmark: float
    judge: float
    findings: tuple[str, ...]
    problem: str
    cognition: tuple[str, ...]


@projects(
    AnalysisReady,
    when=lambda event: event.objective is not None and event.objective_parts is not None,
    judge=attrgetter("parts.judge"),
    gains=lambda event: json.dumps(event.objective_parts.gains),
    runs=attrgetter("objective_parts.runs"),
    flops=attrgetter("objective_parts.flops"),
    within_limit=attrgetter("objective_parts.within_limit"),
)
@dataclass(frozen=True, slots=True)
class ObjectiveRow(Row):
    """An experiment got its objective, in a campaign that has one."""

    table: ClassVar[str] = "objectives"

    objective: float
    judge: float
    gains: str
    """The gain by task as JSON."""
    runs: tuple[float, ...]
    """The objective of each run, if it has several."""
    flops: float | None
    within_limit: bool
