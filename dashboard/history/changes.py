"""What an event changes in the row of its experiment, or in the row `campaign`.

A row is a flat JSON object. Its state after any event is the fold of all changes up to that event, in the server and
in the browser alike, so every view can be drawn as of any event.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bus.vocabulary import events
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from dashboard.names import label

Row = dict[str, Any]
"""An experiment's figures by name; figures that are not known are missing."""
E = TypeVar("E", bound=events.Event)
_Change = Callable[[Any, Row], Row]
_CHANGES: dict[type[events.Event], _Change] = {}


def changes(envelope: Envelope, row: Mapping[str, Any]) -> tuple[str, Row]:
    """Return the id of the row that an event changes, and its new figures; `row` is the row before.

    An event that changes nothing gives no figures.
    """
    event = envelope.event
    target = event.target if isinstance(event, events.HumanMessage) and event.target else envelope.experiment
    change = _CHANGES.get(type(event))
    figures = change(event, dict(row)) if change else {}
    figures = {name: _rounded(value) for name, value in figures.items() if name in row or value not in (None, [])}
    if figures.get("status") in ENDED:
        figures["ended"] = envelope.seq
    if not row and figures:
        figures = {"id": target, "label": target, "opened": envelope.seq} | figures
    if "name" in figures:
        figures["label"] = label(target, figures["name"])
    return target, figures


def _rounded(value: Any) -> Any:
    """Return a figure with six digits, which is more than any view shows: ten thousand rows are read at once."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


PROGRAM = "program"
"""The `kind` of a row that is about a researcher program. An experiment's row has no kind."""
ENDED = frozenset({"analysed", "failed", "rejected", "imported"})
"""Statuses of experiments that have ended."""


def _on(kind: type[E]) -> Callable[[Callable[[E, Row], Row]], Callable[[E, Row], Row]]:
    """Register the changes of one type of event."""

    def register(change: Callable[[E, Row], Row]) -> Callable[[E, Row], Row]:
        _CHANGES[kind] = change
        return change

    return register


@_on(events.CampaignStarted)
def _started(event: events.CampaignStarted, _: Row) -> Row:
    names = ("goal", "seed", "scale", "slots", "policy", "space", "owner", "code_version", "sandbox", "models")
    return {name: getattr(event, name) for name in names} | {
        "budget": event.experiments,
        "baselines": list(event.baselines),
        "state": "running",
        "verifies": True if event.verification else None,
        "noise": event.objective.noise if event.objective else None,
    }


@_on(events.CampaignForked)
def _forked(event: events.CampaignForked, _: Row) -> Row:
    policy = {"policy": event.policy} if event.policy is not None else {}
    return policy | ({"models": event.models.models} if event.models else {})


@_on(events.CampaignPaused)
def _paused(_: events.CampaignPaused, __: Row) -> Row:
    return {"state": "paused"}


@_on(events.CampaignResumed)
def _resumed(_: events.CampaignResumed, __: Row) -> Row:
    return {"state": "running"}


@_on(events.CampaignFinished)
def _finished(event: events.CampaignFinished, _: Row) -> Row:
    return {"state": "finished", "reason": event.reason}


@_on(events.PoolUpdated)
def _renewed(event: events.PoolUpdated, _: Row) -> Row:
    return {"generation": event.generation}


@_on(events.HumanMessage)
def _spoken(event: events.HumanMessage, row: Row) -> Row:
    if event.kind in ("veto", "restore") and event.target:
        return {"vetoed": event.kind == "veto"} if row else {}
    if event.kind == "budget" and event.text.isdecimal():
        return {"budget": int(event.text)}
    return {}


@_on(events.ProposalRequested)
def _opened(event: events.ProposalRequested, _: Row) -> Row:
    return {"status": "queued", "stage": "thinking", "arm": event.arm, "parent": event.parent, "name": event.baseline}


@_on(events.ProposalCreated)
def _proposed(event: events.ProposalCreated, row: Row) -> Row:
    return {
        "status": row.get("status", "queued"),
        "stage": "checking",
        "name": event.name,
        "origin": event.origin,
        "operator": event.operator,
        "parent": event.parent,
        "references": list(event.references),
    }


@_on(events.ProposalRejected)
def _rejected(event: events.ProposalRejected, _: Row) -> Row:
    if not event.final:
        return {"stage": "thinking"}
    return {"status": "rejected", "stage": "rejected", "name": event.name, "reason": event.reason}


@_on(events.ResearcherProposed)
def _program_proposed(event: events.ResearcherProposed, _: Row) -> Row:
    return {
        "kind": PROGRAM,
        "name": event.name,
        "number": event.number,
        "operator": event.operator,
        "parent": event.parents[0] if event.parents else None,
        "parents": list(event.parents),
    }


@_on(events.ResearcherEvaluated)
def _program_evaluated(event: events.ResearcherEvaluated, row: Row) -> Row:
    """Return a program's fitness on the landscapes of the split, and its CPU seconds over all splits."""
    seconds = row.get("cpu_seconds", 0.0) + sum(family.cpu_seconds for family in event.families.values())
    return {event.split: event.fitness, "failed": event.failed or None, "cpu_seconds": seconds}


@_on(events.ResearcherPromoted)
def _program_promoted(event: events.ResearcherPromoted, _: Row) -> Row:
    return {"over": event.over, "promotion": [event.gain, *event.interval], "landscapes": event.landscapes}


@_on(events.ExperimentImported)
def _imported(event: events.ExperimentImported, _: Row) -> Row:
    return {
        "status": "imported",
        "stage": "imported",
        "name": event.name,
        "origin": "imported",
        "parent": event.parent,
        "merit": event.merit,
    }


@_on(events.CodeFailed)
def _failed(event: events.CodeFailed, _: Row) -> Row:
    figures: Row = {"reason": event.reason}
    return figures | ({"status": "failed", "stage": "failed"} if event.final else {"status": "queued"})


@_on(events.CodeRevised)
def _revised(event: events.CodeRevised, _: Row) -> Row:
    return {"stage": "repaired", "attempt": event.attempt}


@_on(events.RunRequested)
def _requested(event: events.RunRequested, _: Row) -> Row:
    return {"stage": "waiting for a trainer", "run": event.run, "attempt": event.attempt}


@_on(events.RunStarted)
def _training(event: events.RunStarted, row: Row) -> Row:
    status = "quarantined" if row.get("status") == "quarantined" else "running"
    return {"status": status, "stage": "training", "parameters": event.parameters}


@_on(events.RunFailed)
def _run_failed(event: events.RunFailed, row: Row) -> Row:
    return {"status": row.get("status", "queued"), "stage": "repairing", "reason": event.reason}


@_on(events.RunAnomaly)
def _anomaly(event: events.RunAnomaly, _: Row) -> Row:
    quarantined = {"status": "quarantined", "stage": "quarantined"} if event.action == "quarantined" else {}
    return {"anomaly": event.kind} | quarantined


@_on(events.RunCompleted)
def _completed(event: events.RunCompleted, row: Row) -> Row:
    """Return a run's figures of record; after a replication, the worse of both runs, as memory counts them."""
    figures: Row = {"stage": "analysing", **_figures(event.metrics)}
    if row.get("status") == "quarantined" and "loss" in row:
        worst = {"loss": max, "recall": min, "recall_stderr": max}
        figures |= {name: pick(row[name], figures[name]) for name, pick in worst.items()}
    return figures


def _figures(metrics: events.Metrics) -> Row:
    return {
        "loss": metrics.val_loss,
        "recall": metrics.recall,
        "recall_stderr": metrics.recall_stderr,
        **{name: metrics.cost[name] for name in ("seconds", "flops_per_token") if name in metrics.cost},
    }


@_on(events.AnalysisReady)
def _analysed(event: events.AnalysisReady, _: Row) -> Row:
    figures: Row = {"status": "analysed", "stage": "analysed", "fitness": event.fitness}
    figures |= {"parts": [event.parts.loss, event.parts.benchmark, event.parts.judge]}
    if event.objective is not None and event.objective_parts is not None:
        parts = event.objective_parts
        figures |= {"objective": event.objective, "gains": parts.gains, "within_limit": parts.within_limit}
        figures |= {"flops": parts.flops, "runs": len(parts.runs) or None}
    return figures


def is_experiment(row: Row) -> bool:
    """Return whether a row is an experiment's, and neither the campaign's own nor that of a researcher program."""
    return row.get("id") not in (None, CAMPAIGN) and row.get("kind") != PROGRAM
