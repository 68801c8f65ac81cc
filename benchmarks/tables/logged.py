"""The runs of campaigns' logs as runs of the table: which design each had, how that was made, and what it reached.

Left out are runs whose source is not that of a design: ideas of models and people, repaired sources, designs of another
version of the grammar. So are runs on a person's text, replications on other shards of the data, and runs that a
busy machine or a person ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.design import Design
from benchmarks.tables.plan import Member, TableRun, design_key
from benchmarks.tables.storage import LAB_TEXTS, TRANSIENT, RowOrigin
from bus.vocabulary.events import (
    VETOED,
    CampaignStarted,
    Metrics,
    ProposalCreated,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    VerificationCompleted,
    VerificationFailed,
    VerificationRequested,
)
from bus.wire.envelope import Envelope

FORMULA_OPERATORS = ("formula", "graft")
"""Operators that put a formula into a design; an axis follows in their names."""


@dataclass(frozen=True, slots=True)
class CampaignRun:
    """A run of a campaign."""

    id: str
    """The run's id in the log."""
    trial: TableRun
    source: str
    made: RowOrigin
    metrics: Metrics | None
    failed: str
    """Why it has no figures that count; else empty."""


def logged_campaigns(name: str, history: Sequence[Envelope]) -> Mapping[str, list[CampaignRun]]:
    """Return the runs of each campaign of a log by the campaign's name: the log's, with its id if there are several.

    Raises ValueError for a campaign whose designs or text are not the table's.
    """
    starts = [(one.campaign, one.event) for one in history if isinstance(one.event, CampaignStarted)]
    campaigns = {}
    for campaign, started in starts:
        if started.space != "mixers" or started.data:
            text = started.data or "the lab's text"
            raise ValueError(f"{campaign} searched {started.space} on {text}; the table is of mixers on the lab's")
        events = [one for one in history if one.campaign == campaign]
        campaigns[name if len(starts) == 1 else f"{name}-{campaign}"] = events
    return {source: list(_logged_runs(source, events)) for source, events in campaigns.items()}


def _logged_runs(source: str, events: Sequence[Envelope]) -> Iterator[CampaignRun]:
    """Yield the runs of a campaign in the order in which they ended."""
    members, operators = _members(events)
    requests = {run.run: run for _, run in _of(events, RunRequested, VerificationRequested)}
    sources = {one.experiment: event.source for one, event in _of(events, ProposalCreated)}
    doubts = {event.run: event.kind for _, event in _of(events, RunAnomaly) if event.action == "quarantined"}
    for one, end in _of(events, RunCompleted, RunFailed, VerificationCompleted, VerificationFailed):
        request, member = requests.get(end.run), members.get(one.experiment)
        if request is None or member is None or not _is_comparable(request, sources[one.experiment]):
            continue
        is_sealed = isinstance(request, VerificationRequested) and request.sealed
        made = RowOrigin(source, one.seq, operators[one.experiment], "sealed" if is_sealed else "validation")
        failed = _failure(end) or (f"anomaly:{doubts[end.run]}" if end.run in doubts else "")
        if failed == VETOED or failed.startswith(TRANSIENT):
            continue
        metrics = None if failed or isinstance(end, RunFailed | VerificationFailed) else end.metrics
        trial = TableRun(member, request.scale, request.seed)
        yield CampaignRun(end.run, trial, request.source, made, metrics, failed)


def _of(events: Sequence[Envelope], *kinds: type) -> Iterator[tuple[Envelope, Any]]:
    return ((one, one.event) for one in events if isinstance(one.event, kinds))


def _is_comparable(request: RunRequested | VerificationRequested, proposed: str) -> bool:
    """Return whether a run trained the design itself, on the common text, at a scale of the table and its rates."""
    is_verified = isinstance(request, VerificationRequested)
    is_common = not request.data and (request.rate == 1.0 if is_verified else not request.shard)
    return is_common and request.source == proposed and request.scale in LAB_TEXTS


def _failure(end: RunCompleted | RunFailed | VerificationCompleted | VerificationFailed) -> str:
    return end.reason if isinstance(end, RunFailed | VerificationFailed) else ""


def _members(events: Sequence[Envelope]) -> tuple[dict[str, Member], dict[str, str]]:
    """Return the members of the experiments that have a design, and the operators that made them."""
    arms = {one.experiment: event.arm for one, event in _of(events, ProposalRequested)}
    proposals = {one.experiment: event for one, event in _of(events, ProposalCreated)}
    designs = {name: design for name, event in proposals.items() if (design := _design(event))}
    members = {}
    for name, design in designs.items():
        parent = designs.get(proposals[name].parent or "")
        stratum = _stratum(arms.get(name, ""), proposals[name])
        members[name] = Member(design, stratum, None, design_key(parent) if parent else "")
    return members, {name: event.operator or event.origin for name, event in proposals.items()}


def _design(event: ProposalCreated) -> Design | None:
    """Return the design of a proposal; None without one, or if this version of the grammar can't read it."""
    try:
        return Design.from_json(event.design) if event.design else None
    except ValueError:
        return None


def _stratum(arm: str, event: ProposalCreated) -> str:
    """Return the stratum of an experiment: designs drawn with a goal or papers in mind are not `random`."""
    if event.origin == "baseline":
        return "baseline"
    if (event.operator or "").startswith(FORMULA_OPERATORS):
        return "formula"
    return "random" if arm == "random" else "evolved"
