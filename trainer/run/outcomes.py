"""What is said of one attempt, from what was measured: the events it gives rise to. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from bus.vocabulary.events import (
    CurvePoint,
    GateResult,
    LossPoint,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    Stage,
    TaskScore,
)
from bus.wire.plain_text import clean_line, clean_tail
from trainer.run.monitor import AnomalyFinding, Reading
from trainer.run.questions import Trained
from trainer.run.scoring import Score
from trainer.scales import Scale

MESSAGE_CHARACTERS, TAIL_CHARACTERS = 2_000, 32_000
"""What is kept of a candidate's words in the log."""
FINAL_READINGS = 3
"""Readings that tell what training ended with."""


class RunMeasurements(NamedTuple):
    """What a completed run was measured to be."""

    readings: Sequence[Reading]
    scores: Mapping[str, Score]
    """Of every task."""
    flops_per_token: float
    seconds: float
    """Of wall time, in all processes that had the run."""
    bytes_per_token: float
    """Of the text of record."""
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class OutcomeEvents:
    """Words about one request."""

    request: RunRequested
    scale: Scale
    worker: str

    def started(self, width: int, parameters: int, gates: Sequence[GateResult]) -> RunStarted:
        """Say that the gates held."""
        return RunStarted(
            run=self.request.run, worker=self.worker, width=width, parameters=parameters, gates=tuple(gates)
        )

    def rejected(self, gates: Sequence[GateResult], reason: str) -> RunFailed:
        """Turn the gate that failed into an end; its evidence holds a traceback where the candidate raised."""
        gate = next(gate for gate in gates if not gate.passed)
        first, _, rest = gate.evidence.partition("\n")
        return self.failed("gate", reason, f"{gate.gate}: {first}", rest)

    def points(self, reading: Reading) -> Iterator[LossPoint]:
        """Say how far training has come."""
        for task, loss in reading.losses.items():
            yield LossPoint(run=self.request.run, task=task, step=reading.step, steps=self.scale.steps, loss=loss)

    def failed(self, stage: Stage, reason: str, message: str, tail: str = "") -> RunFailed:
        """Say that the run ended without a score, at the stage it had reached."""
        return RunFailed(
            run=self.request.run,
            worker=self.worker,
            attempt=self.request.attempt,
            stage=stage,
            reason=reason,
            message=clean_line(message, MESSAGE_CHARACTERS),
            tail=clean_tail(tail, TAIL_CHARACTERS),
        )

    def stopped(self, stage: Stage, finding: AnomalyFinding) -> Trained:
        """Say that the run was stopped for what no honest one does, in training or in its examination."""
        anomaly = RunAnomaly(run=self.request.run, kind=finding.kind, step=finding.step, evidence=finding.evidence)
        return Trained(anomaly=anomaly, failed=self.failed(stage, f"anomaly:{finding.kind}", finding.evidence))

    def completed(self, started: RunStarted, done: RunMeasurements, artifact: Path | None) -> RunCompleted:
        """Say what the run was worth."""
        text, recall = done.scores[self.scale.text_of_record], done.scores[self.scale.recall_of_record]
        assert text.nats_per_byte is not None
        assert text.bits_per_byte is not None
        return RunCompleted(
            run=self.request.run,
            worker=self.worker,
            width=started.width,
            parameters=started.parameters,
            steps=self.scale.steps * len(self.scale.tasks),
            tokens=self.scale.tokens,
            seconds=done.seconds,
            step_seconds=median(reading.step_seconds for reading in done.readings),
            flops_per_token=done.flops_per_token,
            val_loss=text.nats_per_byte,
            bits_per_byte=text.bits_per_byte,
            train_loss=self._train_loss(done),
            recall=recall.accuracy,
            recall_stderr=recall.stderr,
            weights="/".join(artifact.parts[-2:]) if artifact else "",
            weights_sha256=done.weights_sha256,
            curve=tuple(self._curve(done.readings)),
            scores=tuple(self._of_task(name, score) for name, score in done.scores.items()),
        )

    def _train_loss(self, done: RunMeasurements) -> float:
        """Return the loss on the text of record over the last readings, nats per byte."""
        last = fmean(reading.losses[self.scale.text_of_record] for reading in done.readings[-FINAL_READINGS:])
        return last / done.bytes_per_token

    def _of_task(self, name: str, score: Score) -> TaskScore:
        """Return one task's line in the table of scores."""
        return TaskScore(
            task=name,
            kind=self.scale.tasks[name].kind,
            loss=score.loss,
            accuracy=score.accuracy,
            stderr=score.stderr,
            bits_per_byte=score.bits_per_byte,
        )

    def _curve(self, readings: Sequence[Reading]) -> Iterator[CurvePoint]:
        """Yield every reading, task after task."""
        for task in self.scale.tasks:
            for reading in readings:
                yield CurvePoint(task=task, step=reading.step, loss=reading.losses[task])
