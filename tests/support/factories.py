"""Factories of events and records with defaults, so that a test names only the fields that matter to it."""

from collections.abc import Mapping
from math import log
from typing import Any

from agents.search.two_tier import TwoTierParameters
from bus.vocabulary.events import (
    CampaignStarted,
    CurvePoint,
    Limits,
    Measure,
    Metrics,
    RunCompleted,
    Rung,
    TaskMetrics,
    VerificationPlan,
)
from bus.vocabulary.queries import Experiment

NANO_LIMITS = Limits(seconds=60.0, memory_mb=900)
FIGURES = frozenset({
    "val_loss", "recall", "recall_stderr", "parameters", "width", "seconds", "step_seconds", "flops_per_token", "steps",
    "tokens", "train_loss", "curve", "further",
})  # fmt: skip
"""Names of the arguments of `metrics`."""


def campaign_started(*, cold_start: int = 5, batch: int = 3, **fields: Any) -> CampaignStarted:
    """Return the start of a campaign under two tiers."""
    defaults = {
        "goal": "recall", "seed": 7, "scale": "nano", "experiments": 8, "slots": 2, "baselines": ("gla", "mamba2"),
        "limits": NANO_LIMITS, "policy": "two_tier",
        "policy_parameters": TwoTierParameters(cold_start=cold_start, batch=batch).model_dump(mode="json"),
    }  # fmt: skip
    return CampaignStarted.model_validate(defaults | fields)


def verification_plan(
    settlements: tuple[int, ...] = (2, 3), *, climbers: tuple[int, int] = (2, 1), **fields: Any
) -> VerificationPlan:
    """Return a plan of two small rungs; the second has as many places as `climbers` says."""
    rungs = tuple(
        Rung(scale=scale, climbers=places, looks=looks, limits=NANO_LIMITS)
        for scale, places, looks in zip(("nano", "micro"), climbers, ((3, 5), (3, 6)), strict=True)
    )
    return VerificationPlan(rungs=rungs, settlements=settlements, **fields)


def metrics(  # noqa: PLR0913  (a figure each)
    *,
    val_loss: float = 1.4,
    recall: float = 0.9,
    recall_stderr: float = 0.01,
    parameters: int = 40_000,
    width: int = 32,
    seconds: float = 9.0,
    step_seconds: float = 0.02,
    flops_per_token: float = 80_000.0,
    steps: int = 100,
    tokens: int = 50_000,
    train_loss: float | None = None,
    curve: tuple[CurvePoint, ...] = (),
    further: Mapping[str, TaskMetrics] | None = None,
) -> Metrics:
    """Return the figures of a run; `further` are other tasks than the two of record."""
    measures = {"loss": Measure(value=1 - recall), "accuracy": Measure(value=recall, stderr=recall_stderr)}
    tasks = {"recall": TaskMetrics(kind="mqar", measures=measures), "text": text_metrics(val_loss)}
    return Metrics(
        tasks=tasks | dict(further or {}),
        text_task="text",
        recall_task="recall",
        size={"parameters": parameters, "width": width},
        cost={
            "seconds": seconds, "step_seconds": step_seconds, "flops_per_token": flops_per_token,
            "steps": float(steps), "tokens": float(tokens),
        },
        training={} if train_loss is None else {"text_loss": train_loss},
        curve=curve,
    )  # fmt: skip


def text_metrics(val_loss: float) -> TaskMetrics:
    """Return a text task's measures for a loss in nats per byte."""
    return TaskMetrics(
        kind="text",
        measures={
            "loss": Measure(value=val_loss),
            "accuracy": Measure(value=0.4, stderr=0.02),
            "nats_per_byte": Measure(value=val_loss),
            "bits_per_byte": Measure(value=val_loss / log(2)),
        },
    )


def run_completed(run: str = "e0003-a0", **figures: Any) -> RunCompleted:
    """Return the end of a run with these figures."""
    return RunCompleted(
        run=run, worker="1", metrics=metrics(**figures), weights=f"{run}.safetensors", weights_sha256="0" * 64
    )


def experiment(experiment_id: str = "e0003", status: str = "analysed", **fields: Any) -> Experiment:
    """Return an experiment; if any figure of `metrics` is among the fields, it has completed a run."""
    figures = {key: value for key, value in fields.items() if key in FIGURES}
    record_fields = {key: value for key, value in fields.items() if key not in FIGURES}
    if figures:
        record_fields |= {"metrics": metrics(**figures), "parameters": figures.get("parameters", 40_000)}
    return Experiment.model_validate({"id": experiment_id, "status": status} | record_fields)
