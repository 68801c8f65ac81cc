"""Rows of ideas: the slots opened for them, the proposals, imported or not, the rejected ideas, and every source."""

import json
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar

from bus.vocabulary.events import CodeRevised, ExperimentImported, ProposalCreated, ProposalRejected, ProposalRequested
from bus.wire.ids import fingerprint
from memory.rows import Column, Row, projects


@projects(ProposalRequested)
@dataclass(frozen=True, slots=True)
class SlotRow(Row):
    """A slot was opened."""

    table: ClassVar[str] = "slots"

    slot: int
    arm: str
    baseline: str | None
    parent: str | None
    references: tuple[str, ...]
    guidance: tuple[str, ...]


@projects(ProposalRequested, when=lambda event: event.policy is not None)
@dataclass(frozen=True, slots=True)
class ChosenPolicyRow(Row):
    """A policy that chooses among several chose one for a slot."""

    table: ClassVar[str] = "chosen_policies"

    policy: str


@projects(
    ProposalRequested,
    host=attrgetter("parent"),
    unit=attrgetter("graft"),
    when=lambda event: event.arm == "graft" and event.graft is not None,
)
@dataclass(frozen=True, slots=True)
class GraftSlotRow(Row):
    """A slot of the arm `graft` was to put a formula into a design."""

    table: ClassVar[str] = "graft_slots"

    host: str | None
    """The experiment that was to get the formula."""
    unit: str
    """The formula, as `axis:key`."""


def design_json(event: ProposalCreated | CodeRevised) -> str | None:
    """Return the design of an event as JSON; None if it has none."""
    return None if event.design is None else json.dumps(event.design)


def source_fingerprint(event: ProposalCreated | CodeRevised | ExperimentImported) -> str:
    """Return the fingerprint of an event's source."""
    return fingerprint(event.source)


def constant(value: Any) -> Column:
    """Return a column that has the same value in every row."""
    return lambda _: value


def of_forecast(name: str) -> Column:
    """Return the column of a field of a proposal's forecast."""
    return lambda event: getattr(event.forecast, name)


@projects(
    ProposalCreated,
    mean=of_forecast("mean"),
    deviation=of_forecast("deviation"),
    when=lambda event: event.forecast is not None and event.forecast.mean is not None,
)
@dataclass(frozen=True, slots=True)
class ForecastRow(Row):
    """A design was chosen by what a model expected of it."""

    table: ClassVar[str] = "forecasts"

    mean: float
    """Expected objective, larger is better."""
    deviation: float
    """Its standard deviation."""


@projects(ProposalCreated, fingerprint=source_fingerprint, design=design_json)
@projects(
    ExperimentImported,
    origin=constant("imported"),
    operator=constant(None),
    references=constant(()),
    cognition=constant(()),
    guidance=constant(()),
    fingerprint=source_fingerprint,
    design=constant(None),
)
@dataclass(frozen=True, slots=True)
class ProposalRow(Row):
    """An architecture was proposed or imported; its source is a SourceRow."""

    table: ClassVar[str] = "proposals"

    name: str
    motivation: str
    origin: str
    operator: str | None
    parent: str | None
    references: tuple[str, ...]
    cognition: tuple[str, ...]
    guidance: tuple[str, ...]
    fingerprint: str
    """Fingerprint of its source, blank space aside."""
    design: str | None
    """The design that the source was rendered from, as JSON."""


@projects(
    ExperimentImported,
    scores=lambda event: json.dumps(event.scores),
    time=lambda event: event.time and event.time.isoformat(),
)
@dataclass(frozen=True, slots=True)
class ImportRow(Row):
    """What a foreign history says of an experiment, besides its proposal."""

    table: ClassVar[str] = "imports"

    history: str
    foreign_id: str
    scores: str
    """Figures by name, as JSON."""
    merit: float | None
    time: str | None
    """ISO 8601 with its zone."""


@projects(ProposalRejected)
@dataclass(frozen=True, slots=True)
class RejectionRow(Row):
    """An idea was rejected before any code ran."""

    table: ClassVar[str] = "rejections"

    name: str
    motivation: str
    reason: str
    message: str
    nearest: str | None
    similarity: float | None
    distance: int | None
    source_hash: str
    final: bool


@projects(
    ProposalCreated,
    ExperimentImported,
    CodeRevised,
    attempt=lambda event: event.attempt if isinstance(event, CodeRevised) else 0,
    text=attrgetter("source"),
)
@dataclass(frozen=True, slots=True)
class SourceRow(Row):
    """The source of one attempt: as proposed (attempt 0) or as repaired."""

    table: ClassVar[str] = "sources"
    held: ClassVar[bool] = False

    attempt: int
    text: str
