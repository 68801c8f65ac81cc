"""One attempt at an architecture, seen from the parent: gates, training under watch, scoring. Synchronous; no torch.

The trial talks to its runs over the jail's channel (`trainer.inside.train_worker` and `trainer.inside.eval_worker` show
the talk), and believes nothing of what it is told that it can compute itself: scores come from logits, parameters are
counted in the weights. What trained is gone before anything is scored: a fresh run answers, which holds the source and
the weights alone. What is said in another form than agreed is a `protocol_error`.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from bus.vocabulary.events import GateResult, LossPoint, RunCompleted, RunRequested, RunStarted, Stage
from bus.wire.ids import derive
from bus.wire.plain_text import clean_text
from sandbox import Frame, Jail, JailFault, Session
from trainer.run import checkpoint, weights
from trainer.run.examination import ImplausibleLoss, NotCausal, examine
from trainer.run.jail import EVAL_WORKER, TRAIN_WORKER
from trainer.run.monitor import AnomalyFinding, Monitor, Reading
from trainer.run.outcomes import TAIL_CHARACTERS, OutcomeEvents, RunMeasurements
from trainer.run.questions import Prepared, Trained
from trainer.run.scoring import BadLogits
from trainer.scales import Scale
from trainer.tasks.corpus import Corpus
from trainer.tasks.tokens import tokenize_corpus

OnPoint = Callable[[LossPoint], None]
MIN_REPLY_BYTES = 1 << 28
"""Most bytes of one frame from the child, but for a large rung."""
WIDTH_FIELDS = ("d_model", "hidden", "parameters")
"""What the child says of the width that it has matched."""


class RunReport(NamedTuple):
    """Everything one attempt gave rise to."""

    started: RunStarted | None
    trained: Trained


class TrainingRun:
    """A run in its jail: `prepare`, then `train`, then `close`, from one thread."""

    def __init__(self, request: RunRequested, scale: Scale, corpus: Corpus, jail: Jail, *, worker: str) -> None:
        """Start nothing yet. Raises ValueError where the corpus is too small for a task."""
        self.request, self._scale, self._corpus, self._jail = request, scale, corpus, jail
        self._outcomes = OutcomeEvents(request, scale, worker)
        self._texts = {name: tokenize_corpus(task, corpus) for name, task in scale.languages.items()}
        self._session: Session | None = None
        self._stage: Stage = "gate"
        self._readings: list[Reading] = []
        self._began = time.monotonic()
        self._flops = 0.0
        self._width: dict[str, int] = {}
        self._started: RunStarted | None = None
        self._spent = 0.0
        """Seconds that earlier processes had put into the run."""

    def prepare(self) -> Prepared:
        """Build the architecture in the jail and put it through the gates. Raises SandboxUnavailable."""
        limits = self.request.limits
        self._session = self._jail.run(
            TRAIN_WORKER, limits.seconds, limits.memory_mb, reply_bytes=most_bytes(self._scale)
        )
        try:
            self._session.send(Frame("job", self._job()))
            verdict = self._session.recv()
            with _agreed():
                gates = tuple(
                    GateResult(gate=g["gate"], passed=g["passed"], evidence=clean_text(g["evidence"], TAIL_CHARACTERS))
                    for g in verdict.header["gates"]
                )
                if verdict.kind == "rejected":
                    reason = next(g["reason"] for g in verdict.header["gates"] if not g["passed"])
                    return Prepared(failed=self._outcomes.rejected(gates, reason))
                if verdict.kind != "ready":
                    raise JailFault("protocol_error", f"a frame of kind {verdict.kind!r} came for the gates' verdict")
                self._flops = float(verdict.header["flops_per_token"])
                self._width = {name: int(verdict.header["width"][name]) for name in WIDTH_FIELDS}
                self._started = self._outcomes.started(self._width["d_model"], self._width["parameters"], gates)
        except JailFault as fault:
            return Prepared(failed=self._outcomes.failed(self._stage, fault.reason, fault.message, fault.tail))
        return Prepared(started=self._started)

    def train(self, on_point: OnPoint, artifact: Path | None) -> Trained:
        """Train, score, and write the weights to `artifact` (None: nowhere), after a `prepare` that held.

        Beside them lies a checkpoint on the way, which the run goes on from where it was cut off; who takes the
        result to heart forgets it.
        """
        assert self._session is not None
        assert self._started is not None
        self._stage = "train"
        try:
            kept = self._kept(artifact)
            texts = {name: text.train for name, text in self._texts.items()}
            self._session.send(Frame("train", {"done": kept.step if kept else 0}, texts))
            if kept:
                self._session.send(Frame("checkpoint", arrays=kept.arrays))
            outcome = self._watch(on_point, artifact)
            if isinstance(outcome, AnomalyFinding):
                return self._outcomes.stopped(self._stage, outcome)
            self._stage = "evaluate"
            return Trained(completed=self._scored(outcome, artifact))
        except JailFault as fault:
            return Trained(failed=self._outcomes.failed(self._stage, fault.reason, fault.message, fault.tail))
        except ImplausibleLoss as error:
            return self._outcomes.stopped(self._stage, AnomalyFinding("loss_too_low", self._scale.steps, str(error)))
        except BadLogits as error:
            return Trained(failed=self._outcomes.failed(self._stage, "bad_output", str(error)))
        except NotCausal as error:
            return Trained(failed=self._outcomes.failed(self._stage, "causality", str(error)))

    def close(self) -> None:
        """End the run; nothing of it is left."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _job(self) -> dict[str, object]:
        """Return what the child has to know; the seed of what it is scored on is not in it."""
        seeds = {task: [self._seed("weights", task), self._seed("data", task)] for task in self._scale.tasks}
        return {
            "source": self.request.source,
            "scale": asdict(self._scale),
            "seeds": {"gates": self._seed("gates"), **seeds},
        }

    def _seed(self, *use: str) -> int:
        """Return a seed for one use, derived from the run's: every candidate of a campaign gets the same on a shard."""
        shard = [self.request.shard] if self.request.shard else []
        return int(derive(self.request.seed, *use, *shard)[:8], 16)

    def _kept(self, artifact: Path | None) -> checkpoint.Checkpoint | None:
        """Return what an earlier process kept of this run, and take its readings for this one's."""
        kept = (
            checkpoint.load_checkpoint(artifact, self._digest()) if artifact and self._scale.checkpoint_every else None
        )
        if kept:
            self._readings, self._spent = list(kept.readings), kept.seconds
        return kept

    def _keep(self, frame: Frame, artifact: Path | None) -> None:
        """Write a checkpoint that the child sent where its readings say it is."""
        if not self._readings or frame.header.get("step") != self._readings[-1].step:
            raise JailFault("protocol_error", "a checkpoint came that no reading came before")
        if artifact:
            kept = checkpoint.Checkpoint(self._readings[-1].step, self._seconds, tuple(self._readings), frame.arrays)
            checkpoint.save_checkpoint(artifact, self._digest(), kept)

    def _digest(self) -> str:
        """Return what tells this request from any that would train otherwise."""
        return hashlib.sha256(json.dumps([self._job(), self.request.data]).encode()).hexdigest()

    @property
    def _seconds(self) -> float:
        """Wall seconds of the run so far, in all processes that had it."""
        return self._spent + time.monotonic() - self._began

    def _watch(self, on_point: OnPoint, artifact: Path | None) -> dict[str, np.ndarray] | AnomalyFinding:
        """Follow the training and return the weights, or what the monitor stopped it for."""
        sizes = {name: text.bytes_per_token for name, text in self._texts.items()}
        monitor = Monitor(self._scale, self._corpus.floor, sizes, self.request.peer)
        for reading in self._readings:
            monitor.observe(reading)
        while True:
            frame = self._next("reading", "checkpoint", "weights")
            if frame.kind == "weights":
                return frame.arrays
            if frame.kind == "checkpoint":
                self._keep(frame, artifact)
                continue
            reading = _reading(frame, self._memory())
            finding = monitor.observe(reading)
            if finding:
                return finding
            self._readings.append(reading)
            for point in self._outcomes.points(reading):
                on_point(point)

    def _memory(self) -> int | None:
        """Return what the run holds, as seen from here."""
        assert self._session is not None
        return self._session.memory

    def _next(self, *kinds: str) -> Frame:
        """Return the child's next frame, which has to be of one of these kinds."""
        assert self._session is not None
        frame = self._session.recv()
        if frame.kind not in kinds:
            raise JailFault("protocol_error", f"a frame of kind {frame.kind!r} came in place of {' or '.join(kinds)}")
        return frame

    def _ask(self, task: str, inputs: np.ndarray) -> np.ndarray:
        """Return the child's logits for inputs."""
        assert self._session is not None
        self._session.send(Frame("inputs", {"task": task}, {"inputs": inputs}))
        with _agreed():
            return self._next("logits").arrays["logits"]

    def _scored(self, tensors: dict[str, np.ndarray], artifact: Path | None) -> RunCompleted:
        """Examine the trained model, keep its weights, and say what it is worth."""
        assert self._started is not None
        weights.check(tensors, self._scale, self._started.parameters)
        self._exchange(tensors)
        scores = examine(self._ask, self._scale, self._texts, self._seed, self.request.shard)
        done = RunMeasurements(
            readings=self._readings,
            scores=scores,
            flops_per_token=self._flops,
            seconds=self._seconds,
            bytes_per_token=self._texts[self._scale.text_of_record].bytes_per_token,
            weights_sha256=weights.write(tensors, artifact),
        )
        return self._outcomes.completed(self._started, done, artifact)

    def _exchange(self, tensors: dict[str, np.ndarray]) -> None:
        """End the run that trained, and start one that knows nothing but the source and the weights."""
        assert self._session is not None
        seconds = max(self._session.remaining, 1.0)
        self._session.close()
        self._session = self._jail.run(
            EVAL_WORKER, seconds, self.request.limits.memory_mb, reply_bytes=most_bytes(self._scale)
        )
        seeds = {task: self._seed("weights", task) for task in self._scale.tasks}
        job = self._job() | {"seeds": {"gates": self._seed("gates"), **seeds}, "width": self._width}
        self._session.send(Frame("job", job, tensors))


def most_bytes(scale: Scale) -> int:
    """Return the most bytes of a frame from a child: a checkpoint with room to spare, or one window's logits."""
    longest = max(task.length for task in scale.tasks.values())
    state = 12 * scale.shape.parameters * len(scale.tasks)  # a weight and its two moments
    return max(MIN_REPLY_BYTES, 2 * state, 4 * longest * scale.shape.vocabulary + (1 << 20))


def execute_run(
    trial: TrainingRun, on_started: Callable[[RunStarted], None], on_point: OnPoint, artifact: Path | None = None
) -> RunReport:
    """Take one attempt from its source to its end, whatever that is."""
    try:
        prepared = trial.prepare()
        if prepared.started is None:
            return RunReport(None, Trained(failed=prepared.failed))
        on_started(prepared.started)
        return RunReport(prepared.started, trial.train(on_point, artifact))
    finally:
        trial.close()


@contextmanager
def _agreed() -> Iterator[None]:
    """Turn what a frame lacks, or has in a wrong type, into a protocol error."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, ValidationError) as error:
        raise JailFault("protocol_error", f"a frame says something else than agreed: {type(error).__name__}") from None


def _reading(frame: Frame, memory: int | None) -> Reading:
    """Return a reading as the child sent it, with the memory counted here."""
    with _agreed():
        losses = {str(task): float(loss) for task, loss in frame.header["losses"].items()}
        return Reading(int(frame.header["step"]), losses, float(frame.header["step_seconds"]), memory)
