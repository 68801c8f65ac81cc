"""Makes the events of one run from its measurements, without I/O."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from bus.vocabulary.events import (
    CurvePoint,
    ExamControl,
    GateResult,
    LossPoint,
    Metrics,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    Stage,
    TaskMetrics,
)
from bus.wire.plain_text import clean_line, clean_tail
from trainer.run.monitor import AnomalyFinding, Reading
from trainer.run.questions import Trained
from trainer.run.scoring import Score
from trainer.scales import Scale

MESSAGE_CHARACTERS, TAIL_CHARACTERS = 2_000, 32_000
"""Most characters of a candidate's error message, and of its traceback, in an event."""
FINAL_READINGS = 3
"""Readings at the end of a run whose mean is its training loss."""


class RunMeasurements(NamedTuple):
    """Everything measured on a completed run."""

    readings: Sequence[Reading]
    scores: Mapping[str, Score]
    """Of every task."""
    flops_per_token: float
    seconds: float
    """Wall seconds, over all processes that worked on the run."""
    bytes_per_token: float
    """Of the task whose loss enters the fitness."""
    weights_sha256: str
    controls: tuple[ExamControl, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEvents:
    """Makes the events that answer one request."""

    request: RunRequested
    scale: Scale
    worker: str
    elapsed: Callable[[], float]
    """Returns the wall seconds of the run so far."""

    def run_started(self, width: int, parameters: int, gates: Sequence[GateResult]) -> RunStarted:
        """Return the event for a candidate that passed the gates."""
        return RunStarted(
            run=self.request.run, worker=self.worker, width=width, parameters=parameters, gates=tuple(gates)
        )

    def gate_failure(self, gates: Sequence[GateResult], reason: str) -> RunFailed:
        """Return the failure at the first gate that did not pass; a traceback in its evidence becomes the tail."""
        gate = next(gate for gate in gates if not gate.passed)
        first, _, rest = gate.evidence.partition("\n")
        return self.run_failed("gate", reason, f"{gate.gate}: {first}", rest)

    def loss_points(self, reading: Reading) -> Iterator[LossPoint]:
        """Yield one point for each task of a reading."""
        for task, loss in reading.losses.items():
            yield LossPoint(run=self.request.run, task=task, step=reading.step, steps=self.scale.steps, loss=loss)

    def run_failed(self, stage: Stage, reason: str, message: str, tail: str = "") -> RunFailed:
        """Return the failure of a run that ended without a score."""
        return RunFailed(
            run=self.request.run,
            worker=self.worker,
            attempt=self.request.attempt,
            stage=stage,
            reason=reason,
            message=clean_line(message, MESSAGE_CHARACTERS),
            tail=clean_tail(tail, TAIL_CHARACTERS),
            seconds=round(self.elapsed(), 3),
        )

    def run_stopped(self, stage: Stage, finding: AnomalyFinding) -> Trained:
        """Return the anomaly that ended a run, in training or in its examination, and the failure."""
        anomaly = RunAnomaly(run=self.request.run, kind=finding.kind, step=finding.step, evidence=finding.evidence)
        return Trained(anomaly=anomaly, failed=self.run_failed(stage, f"anomaly:{finding.kind}", finding.evidence))

    def run_completed(self, started: RunStarted, measured: RunMeasurements, artifact: Path | None) -> RunCompleted:
        """Return the event with all scores; `artifact` is the file of the weights."""
        return RunCompleted(
            run=self.request.run,
            worker=self.worker,
            metrics=self._metrics(started, measured),
            weights="/".join(artifact.parts[-3:]) if artifact else "",
            weights_sha256=measured.weights_sha256,
            controls=measured.controls,
        )

    def _metrics(self, started: RunStarted, measured: RunMeasurements) -> Metrics:
        kinds = {name: task.kind for name, task in self.scale.tasks.items()}
        return Metrics(
            tasks={
                name: TaskMetrics(kind=kinds[name], measures=score.measures())
                for name, score in measured.scores.items()
            },
            text_task=self.scale.fitness_text_task,
            recall_task=self.scale.fitness_recall_task,
            size={"parameters": started.parameters, "width": started.width},
            cost={
                "seconds": measured.seconds,
                "step_seconds": median(reading.step_seconds for reading in measured.readings),
                "flops_per_token": measured.flops_per_token,
                "steps": float(self.scale.steps * len(self.scale.tasks)),
                "tokens": float(self.scale.tokens),
            },
            training={"text_loss": self._train_loss(measured)},
            curve=tuple(self._curve(measured.readings)),
        )

    def _train_loss(self, measured: RunMeasurements) -> float:
        """Return the mean text loss of the last readings, in nats per byte."""
        last = fmean(reading.losses[self.scale.fitness_text_task] for reading in measured.readings[-FINAL_READINGS:])
        return last / measured.bytes_per_token

    def _curve(self, readings: Sequence[Reading]) -> Iterator[CurvePoint]:
        """Yield every reading, task by task."""
        for task in self.scale.tasks:
            for reading in readings:
                yield CurvePoint(task=task, step=reading.step, loss=reading.losses[task])
