"""Portraits of experiments as they were at a position: figures to compare with, the short form for listings, the whole.

A source is most of an experiment, so it is told only where it is wanted.

Values come from checked events, so the records need no second check: listings are built by the thousand, as copies of a
blank one, which is several times quicker than to look up some thirty defaults.
"""

import json
from typing import Any

from pydantic import JsonValue

from bus.vocabulary.events import CurvePoint, FitnessParts
from bus.vocabulary.queries import Experiment, FailedAttempt
from memory.projections import CurveRow, SourceRow
from memory.state.experiment_state import ExperimentState, if_by, task_scores, up_to
from memory.store import Store

_BLANK = Experiment(id="", status="queued")


def summary_view(life: ExperimentState, at: int) -> Experiment:
    """Return an experiment in short form: without source, design and curves."""
    slot, proposal = if_by(life.slot, at), if_by(life.proposal, at)
    analysis = if_by(life.analysis, at)
    origin = proposal or slot
    assert origin is not None, "only an opened experiment has a portrait"
    words = {
        "references": origin.references,
        "motivation": proposal.motivation if proposal else "",
        "findings": analysis.findings if analysis else (),
        "problem": analysis.problem if analysis else "",
        "cognition": analysis.cognition if analysis else (),
        "failures": failures(life, at),
        "reason": reason(life, at),
    }
    return _BLANK.model_copy(update=_figures(life, at) | words)


def figures_view(life: ExperimentState, at: int) -> Experiment:
    """Return an experiment without words: the most of a portrait, which a comparison does not read."""
    return _BLANK.model_copy(update=_figures(life, at))


def _figures(life: ExperimentState, at: int) -> dict[str, Any]:
    slot, proposal = if_by(life.slot, at), if_by(life.proposal, at)
    completion, analysis = life.score(at), if_by(life.analysis, at)
    starts = up_to(life.starts, at)
    origin = proposal or slot
    return {
        "id": life.id,
        "name": proposal.name if proposal else (slot.baseline or "" if slot else ""),
        "status": life.status(at),
        "origin": proposal.origin if proposal else None,
        "operator": proposal.operator if proposal else None,
        "parent_id": origin.parent if origin else None,
        "attempt": life.attempt(at),
        "fitness": analysis.fitness if analysis else None,
        "parts": analysis
        and FitnessParts.model_construct(loss=analysis.loss, benchmark=analysis.benchmark, judge=analysis.judge),
        "val_loss": completion and completion.val_loss,
        "bits_per_byte": completion and completion.bits_per_byte,
        "train_loss": completion and completion.train_loss,
        "recall": completion and completion.recall,
        "recall_stderr": completion and completion.recall_stderr,
        "scores": task_scores(completion) if completion else (),
        "parameters": completion.parameters if completion else (starts[-1].parameters if starts else None),
        "seconds": completion and completion.seconds,
        "step_seconds": completion and completion.step_seconds,
        "flops_per_token": completion and completion.flops_per_token,
        "vetoed": life.vetoed(at),
        "opened_seq": life.opened_seq,
    }


def design_view(store: Store, life: ExperimentState, at: int) -> Experiment:
    """Return the newest attempt's design, and of the experiment no more than its id and its status."""
    told = {"id": life.id, "status": life.status(at), "design": _design(_newest(store, life, at))}
    return _BLANK.model_copy(update=told)


def detail_view(
    store: Store, life: ExperimentState, at: int, *, source: bool, novelty: float | None = None
) -> Experiment:
    """Return the short form with the newest attempt's design and lines, and with its source where that is wanted."""
    newest = _newest(store, life, at)
    text = newest.text if newest else ""
    told = {"design": _design(newest), "lines": _lines(text), "novelty": novelty, "source": text if source else ""}
    return summary_view(life, at).model_copy(update=told)


def full_view(store: Store, life: ExperimentState, at: int, novelty: float | None) -> Experiment:
    """Return all there is: the newest attempt's source and design, the curves and the novelty."""
    completion = if_by(life.completion, at)
    curve = store.text(CurveRow, completion.seq) if completion else None
    points = tuple(CurvePoint(**point) for point in json.loads(curve.points)) if curve else ()
    return detail_view(store, life, at, source=True, novelty=novelty).model_copy(update={"curve": points})


def _newest(store: Store, life: ExperimentState, at: int) -> SourceRow | None:
    seq = life.source_seq(at)
    return store.text(SourceRow, seq) if seq else None


def _design(source: SourceRow | None) -> dict[str, JsonValue] | None:
    return json.loads(source.design) if source and source.design else None


def _lines(text: str) -> int:
    """Count the lines that are not blank."""
    return sum(1 for line in text.splitlines() if line.strip())


def failures(life: ExperimentState, at: int) -> tuple[FailedAttempt, ...]:
    """Return the failed attempts, each with what the attempt after it changed."""
    repairs = {row.attempt: row.change for row in up_to(life.revisions, at)}
    return tuple(
        FailedAttempt.model_construct(
            attempt=row.attempt,
            stage=row.stage,
            reason=row.reason,
            message=row.message,
            repair=repairs.get(row.attempt + 1, ""),
        )
        for row in up_to(life.failures, at)
    )


def reason(life: ExperimentState, at: int) -> str:
    """Return the reason code of an experiment that was given up or rejected."""
    ends = {"failed": life.failures, "rejected": life.rejections}.get(life.status(at), [])
    return next((row.reason for row in up_to(ends, at) if row.final), "")
