"""One run from its request to its last event, as the parent sees it: gates, monitored training, scores. No torch.

The parent computes everything it can itself, since the worker belongs to the candidate: it derives the scores from raw
logits, and counts the parameters in the weights. Before anything is scored, the worker that trained is gone. Fresh ones
compute the logits, and they hold only the source and the weights.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bus.vocabulary.events import ExamControl, LossPoint, RunRequested, RunStarted, Stage
from sandbox import Jail, JailFault
from trainer.run import weights
from trainer.run.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from trainer.run.events import RunEvents, RunMeasurements
from trainer.run.exam_controls import ExaminationLeaks, exam_controls
from trainer.run.examination import ImplausibleLoss, NotCausal, Predict, examine
from trainer.run.gating import put_through_gates
from trainer.run.jail import EVAL_WORKER, TRAIN_WORKER
from trainer.run.job import Job
from trainer.run.monitor import AnomalyFinding, Monitor, Reading
from trainer.run.parent_training import ParentTraining
from trainer.run.protocol import Ready
from trainer.run.questions import Prepared, Trained
from trainer.run.scoring import BadLogits
from trainer.run.worker import Worker
from trainer.run.worker_training import WorkerTraining
from trainer.scales import Scale
from trainer.tasks.corpus import Corpus
from trainer.tasks.tokens import tokenize_corpus
from trainer.verdicts import EXAMINATION

OnPoint = Callable[[LossPoint], None]
"""Receives each reading of each task's loss."""
_REASONS = {BadLogits: "bad_output", NotCausal: "causality", ExaminationLeaks: EXAMINATION}
"""Reasons of runs that an examination ended."""
Training = ParentTraining | WorkerTraining


class RunReport(NamedTuple):
    """The events of one run."""

    started: RunStarted | None
    trained: Trained


class TrainingRun:
    """A run in its jail. Call `prepare`, then `train`, then `close`, all from one thread."""

    def __init__(
        self, request: RunRequested, scale: Scale, corpus: Corpus, jail: Jail, *, worker: str, sealed: bool = False
    ) -> None:
        """Start nothing yet; `worker` is the trainer's name in the events, `sealed` asks for scores on sealed text.

        Raises ValueError if the corpus is too small for a task.
        """
        corpus = corpus.for_verification() if sealed else corpus
        self.request, self._scale, self._corpus, self._jail, self._sealed = request, scale, corpus, jail, sealed
        self._job = Job(request, scale, corpus.secret)
        self._events = RunEvents(request, scale, worker, elapsed=lambda: self._seconds)
        self._texts = {name: tokenize_corpus(task, corpus) for name, task in scale.text_tasks.items()}
        self._worker: Worker | None = None
        self._ready: Ready | None = None
        self._started: RunStarted | None = None
        self._stage: Stage = "gate"
        self._readings: list[Reading] = []
        self._start_s = time.monotonic()
        self._earlier_seconds = 0.0
        """Wall seconds that earlier processes spent on the run."""

    def prepare(self) -> Prepared:
        """Build the architecture in the jail and run the gates. Raises SandboxUnavailable."""
        self._worker = self._start_worker(TRAIN_WORKER, self.request.limits.seconds)
        prepared, self._ready = put_through_gates(self._worker, self._job, self._events)
        self._started = prepared.started
        return prepared

    def train(self, on_point: OnPoint, artifact: Path | None) -> Trained:
        """Train and score the candidate after a successful `prepare`, and write the weights to `artifact` (if any).

        If the scale asks for checkpoints, they are written next to `artifact`, and an interrupted run resumes from the
        last one. The caller deletes the checkpoint after publishing the result.
        """
        self._stage = "train"
        try:
            training = self._open_training(artifact)
            if finding := self._follow(training, on_point, artifact):
                return self._events.run_stopped(self._stage, finding)
            self._stage = "evaluate"
            return self._score(training, artifact)
        except JailFault as fault:
            return Trained(failed=self._events.run_failed(self._stage, fault.reason, fault.message, fault.tail))
        except ImplausibleLoss as error:
            finding = AnomalyFinding("loss_too_low", self._scale.steps, str(error))
            return self._events.run_stopped(self._stage, finding)
        except (BadLogits, NotCausal, ExaminationLeaks) as error:
            return Trained(failed=self._events.run_failed(self._stage, _REASONS[type(error)], str(error)))

    def close(self) -> None:
        """End the run's worker, if one is left."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _start_worker(self, entry: str, seconds: float) -> Worker:
        memory_mb = self.request.limits.memory_mb
        return Worker.start(self._jail, entry, self._scale, seconds=seconds, memory_mb=memory_mb)

    def _open_training(self, artifact: Path | None) -> Training:
        """Return the training, from the run's checkpoint if there is one, else from the beginning."""
        assert self._worker is not None, "train is called after prepare"
        assert self._ready is not None, "train is called after prepare"
        training: Training = (
            ParentTraining(self._worker, self._job, self._ready, self._texts)
            if self._scale.optimiser == "parent"
            else WorkerTraining(self._worker, self._scale, self._ready, self._texts)
        )
        keeps_checkpoints = self._scale.checkpoint_every > 0
        checkpoint = load_checkpoint(artifact, self._job.digest()) if artifact and keeps_checkpoints else None
        if checkpoint:
            self._readings, self._earlier_seconds = list(checkpoint.readings), checkpoint.seconds
            training.resume(checkpoint)
        return training

    def _follow(self, training: Training, on_point: OnPoint, artifact: Path | None) -> AnomalyFinding | None:
        """Train, and return the anomaly for which the monitor stops the run, if any."""
        monitor = self._monitor()
        for reading in training.readings(lambda arrays: self._save_checkpoint(arrays, artifact)):
            if finding := monitor.observe(reading):
                return finding
            self._readings.append(reading)
            for point in self._events.loss_points(reading):
                on_point(point)
        return None

    def _monitor(self) -> Monitor:
        """Return a monitor that has observed the readings so far."""
        bytes_per_token = {name: text.bytes_per_token for name, text in self._texts.items()}
        monitor = Monitor(self._scale, self._corpus.entropy_floor, bytes_per_token, self.request.peer)
        for reading in self._readings:
            monitor.observe(reading)
        return monitor

    def _save_checkpoint(self, arrays: dict[str, np.ndarray], artifact: Path | None) -> None:
        """Write the state of the training after the last reading."""
        if artifact:
            checkpoint = Checkpoint(self._readings[-1].step, self._seconds, tuple(self._readings), arrays)
            save_checkpoint(artifact, self._job.digest(), checkpoint)

    @property
    def _seconds(self) -> float:
        """Wall seconds of the run so far, over all processes that worked on it."""
        return self._earlier_seconds + time.monotonic() - self._start_s

    def _score(self, training: Training, artifact: Path | None) -> Trained:
        """Examine the trained model, check its training, write its weights, and return its scores."""
        assert self._started is not None, "train is called after prepare"
        assert self._ready is not None, "train is called after prepare"
        tensors = training.weights()
        weights.check_buffers(tensors, self._scale)
        width = self._ready.width.model_dump()
        scores = examine(lambda: self._replace_worker(tensors, width).predict, self._job, self._texts)
        training.check(lambda: self._replace_worker(tensors, width), self._readings)
        controls = self._controls(tensors, width) if self.request.checks_examination else ()
        measured = RunMeasurements(
            readings=self._readings,
            scores=scores,
            flops_per_token=self._ready.flops_per_token,
            seconds=self._seconds,
            bytes_per_token=self._texts[self._scale.fitness_text_task].bytes_per_token,
            weights_sha256=weights.write_safetensors(tensors, artifact),
            controls=controls,
        )
        completed = self._events.run_completed(self._started, measured, artifact)
        return Trained(completed=completed, blocks=scores[self._scale.fitness_text_task].blocks if self._sealed else ())

    def _controls(self, tensors: dict[str, np.ndarray], width: Mapping[str, int]) -> tuple[ExamControl, ...]:
        """Return the controls of the examination. Raises ExaminationLeaks."""

        def open_predictor(of: Mapping[str, np.ndarray]) -> Predict:
            return self._replace_worker(dict(of), width).predict

        return exam_controls(open_predictor, tensors, self._job, self._texts)

    def _replace_worker(self, tensors: dict[str, np.ndarray], width: Mapping[str, int]) -> Worker:
        """End the worker of now, and return a fresh one that holds only the source and the weights."""
        assert self._worker is not None, "train is called after prepare"
        remaining_s = self._worker.remaining_s
        self._worker.close()
        self._worker = self._start_worker(EVAL_WORKER, max(remaining_s, 1.0))
        self._worker.send_job(self._job.for_evaluation(width), tensors)
        return self._worker


def execute_run(
    run: TrainingRun, on_started: Callable[[RunStarted], None], on_point: OnPoint, artifact: Path | None = None
) -> RunReport:
    """Prepare, train and close a run; return its events, whichever way it ended."""
    try:
        prepared = run.prepare()
        if prepared.started is None:
            return RunReport(None, Trained(failed=prepared.failed))
        on_started(prepared.started)
        return RunReport(prepared.started, run.train(on_point, artifact))
    finally:
        run.close()
