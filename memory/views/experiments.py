"""Views of an experiment as of a position: its figures, its design, its summary, its details, and all there is.

A source is most of an experiment, so only a query that wants it gets it.

The values come from checked events, so the records are built without a second check. Listings have thousands of
records, each a copy of a blank one: that is several times faster than to look up some thirty defaults.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from bus.vocabulary.events import CurvePoint, FitnessParts, Metrics, ObjectiveParts
from bus.vocabulary.queries import Experiment, FailedAttempt, ForeignRecord
from memory.projections import AnalysisRow, CurveRow, ImportRow, ObjectiveRow, SourceRow
from memory.state.as_of import as_of, rows_as_of
from memory.state.experiment_state import ExperimentState
from memory.store import Store

_BLANK = Experiment(id="", status="queued")


def figures_view(experiment: ExperimentState, position: int) -> Experiment:
    """Return an experiment without its texts, which are most of it: what a comparison reads."""
    return _BLANK.model_copy(update=_figures(experiment, position))


def summary_view(experiment: ExperimentState, position: int) -> Experiment:
    """Return an experiment in short form: without source, design and curves."""
    return _BLANK.model_copy(update=_figures(experiment, position) | _texts(experiment, position))


def design_view(experiment: ExperimentState, position: int) -> Experiment:
    """Return the newest attempt's design, with nothing more than the experiment's id and status."""
    design = _design(experiment, position)
    return _BLANK.model_copy(update={"id": experiment.id, "status": experiment.status(position), "design": design})


def detail_view(
    store: Store, experiment: ExperimentState, position: int, *, source: bool, novelty: float | None = None
) -> Experiment:
    """Return the short form with the newest attempt's design and number of lines, and its source if `source`."""
    text = _source_text(store, experiment, position)
    details = {
        "design": _design(experiment, position),
        "lines": _lines(text),
        "novelty": novelty,
        "source": text if source else "",
    }
    return summary_view(experiment, position).model_copy(update=details)


def full_view(store: Store, experiment: ExperimentState, position: int, novelty: float | None) -> Experiment:
    """Return all there is: the details with the source, the curves and the novelty."""
    completion = as_of(experiment.completion, position)
    curve = store.text(CurveRow, completion.seq) if completion else None
    points = tuple(CurvePoint(**point) for point in json.loads(curve.points)) if curve else ()
    details = detail_view(store, experiment, position, source=True, novelty=novelty)
    metrics = details.metrics and details.metrics.model_copy(update={"curve": points})
    return details.model_copy(update={"metrics": metrics})


def _figures(experiment: ExperimentState, position: int) -> dict[str, Any]:
    slot, proposal = as_of(experiment.slot, position), as_of(experiment.proposal, position)
    metrics, analysis = experiment.metrics(position), as_of(experiment.analysis, position)
    origin, imported = proposal or slot, as_of(experiment.imported, position)
    objective = as_of(experiment.objective, position)
    return {
        "id": experiment.id,
        "name": proposal.name if proposal else (slot.baseline or "" if slot else ""),
        "status": experiment.status(position),
        "origin": proposal.origin if proposal else None,
        "arm": slot.arm if slot else None,
        "operator": proposal.operator if proposal else None,
        "parent_id": origin.parent if origin else None,
        "attempt": experiment.attempt(position),
        "fitness": analysis.fitness if analysis else None,
        "parts": _parts(analysis) if analysis else None,
        "objective": objective.objective if objective else None,
        "objective_parts": _objective_parts(objective) if objective else None,
        "metrics": metrics,
        "parameters": _parameters(experiment, metrics, position),
        "vetoed": experiment.vetoed(position),
        "imported": _foreign_record(imported) if imported else None,
        "opened_seq": experiment.opened_seq,
    }


def _foreign_record(row: ImportRow) -> ForeignRecord:
    return ForeignRecord.model_construct(
        history=row.history,
        foreign_id=row.foreign_id,
        scores=json.loads(row.scores),
        merit=row.merit,
        time=datetime.fromisoformat(row.time) if row.time else None,
    )


def _parameters(experiment: ExperimentState, metrics: Metrics | None, position: int) -> int | None:
    """Return the parameters of its run: they are known once training begins."""
    if metrics is not None:
        return metrics.size["parameters"]
    starts = rows_as_of(experiment.starts, position, newest=1)
    return starts[-1].parameters if starts else None


def _parts(analysis: AnalysisRow) -> FitnessParts:
    return FitnessParts.model_construct(loss=analysis.loss, benchmark=analysis.benchmark, judge=analysis.judge)


def _objective_parts(row: ObjectiveRow) -> ObjectiveParts:
    return ObjectiveParts.model_construct(
        gains=json.loads(row.gains), runs=row.runs, flops=row.flops, within_limit=row.within_limit
    )


def _texts(experiment: ExperimentState, position: int) -> dict[str, Any]:
    slot, proposal = as_of(experiment.slot, position), as_of(experiment.proposal, position)
    analysis = as_of(experiment.analysis, position)
    origin = proposal or slot
    assert origin is not None, "only an opened experiment has a view"
    return {
        "references": origin.references,
        "motivation": proposal.motivation if proposal else "",
        "findings": analysis.findings if analysis else (),
        "problem": analysis.problem if analysis else "",
        "cognition": analysis.cognition if analysis else (),
        "failures": _failed_attempts(experiment, position),
        "reason": _reason(experiment, position),
    }


def _source_text(store: Store, experiment: ExperimentState, position: int) -> str:
    """Return the newest attempt's source; empty before the proposal."""
    newest = experiment.newest_source(position)
    source = store.text(SourceRow, newest.seq) if newest else None
    return source.text if source else ""


def _design(experiment: ExperimentState, position: int) -> dict[str, JsonValue] | None:
    newest = experiment.newest_source(position)
    return json.loads(newest.design) if newest and newest.design else None


def _lines(text: str) -> int:
    """Count the lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def _failed_attempts(experiment: ExperimentState, position: int) -> tuple[FailedAttempt, ...]:
    """Return the failed attempts, each with what the next attempt changed."""
    changes = {row.attempt: row.change for row in rows_as_of(experiment.revisions, position)}
    return tuple(
        FailedAttempt.model_construct(
            attempt=row.attempt,
            stage=row.stage,
            reason=row.reason,
            message=row.message,
            repair=changes.get(row.attempt + 1, ""),
        )
        for row in rows_as_of(experiment.failures, position)
    )


def _reason(experiment: ExperimentState, position: int) -> str:
    """Return the reason code of an experiment that was given up or rejected, else nothing."""
    status = experiment.status(position)
    ends = {"failed": experiment.failures, "rejected": experiment.rejections}.get(status, [])
    return next((row.reason for row in rows_as_of(ends, position) if row.final), "")
