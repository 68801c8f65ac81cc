"""The parent's side of the protocol with a worker in the jail.

The docstrings of `trainer.inside.train_worker` and `trainer.inside.eval_worker` list the frames, and
`trainer.run.protocol` what they may say.
"""

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from sandbox import Frame, Jail, JailFault, ReportedFault, Session
from sandbox.faults import REPORTED_REASONS
from trainer.run.monitor import Reading
from trainer.run.protocol import (
    Gradient,
    Ready,
    Rejected,
    parse_built,
    parse_done,
    parse_gradient,
    parse_logits,
    parse_verdict,
    require_kind,
)
from trainer.scales import Scale
from trainer.tasks.batch import Batch
from trainer.verdicts import LOAD_REASONS

MIN_REPLY_BYTES = 1 << 28
"""Most array bytes of a worker's frame on a small scale; a large scale allows more."""
WORKER_REASONS = REPORTED_REASONS | set(LOAD_REASONS)
"""Reasons of the faults that a worker may report of itself."""


class GradientRequest(NamedTuple):
    """All that one task's gradient in one step may depend on."""

    task: str
    seed: int
    """Of the generators, for candidates that draw in training."""
    weights: np.ndarray
    """[P] float32."""
    buffers: Mapping[str, np.ndarray]
    """Buffers that earlier steps have changed, by name."""
    batch: Batch


class Worker:
    """One worker in the jail; every method raises JailFault if the worker fails or breaks the protocol."""

    def __init__(self, session: Session) -> None:
        """Talk over this session and close it in the end."""
        self._session = session

    @classmethod
    def start(cls, jail: Jail, entry: str, scale: Scale, *, seconds: float, memory_mb: int) -> Self:
        """Start a worker by its entry point. Raises SandboxUnavailable."""
        return cls(jail.run(entry, seconds, memory_mb, reply_bytes=max_reply_bytes(scale)))

    @property
    def remaining_s(self) -> float:
        """Seconds that the worker may still wait, or compute."""
        return self._session.remaining_s

    def send_job(self, job: Mapping[str, object], arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Send the first frame; `arrays` are the weights to evaluate."""
        self._session.send(Frame("job", dict(job), dict(arrays or {})))

    def receive_verdict(self, scale: Scale) -> Ready | Rejected:
        """Return the train worker's report on the gates."""
        return parse_verdict(self._receive(), scale)

    def start_training(
        self, texts: Mapping[str, np.ndarray], step: int = 0, state: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Start training on each text task's tokens [N]: from the beginning, or after `step` from a checkpoint."""
        self._session.send(Frame("train", {"done": step}, dict(texts)))
        if state is not None:
            self._session.send(Frame("checkpoint", arrays=dict(state)))

    def receive_training(self) -> Frame:
        """Return the train worker's next frame: a reading, a checkpoint or the weights, still unchecked."""
        frame = self._receive()
        require_kind(frame, "reading", "checkpoint", "weights")
        return frame

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all its processes so far, as counted from outside."""
        seconds = self._session.cpu_seconds
        if seconds is None:
            raise JailFault("crash:jail", "the sandbox is gone")
        return seconds

    @property
    def memory_bytes(self) -> int | None:
        """Private memory, as counted from outside; None if it could not be read."""
        return self._session.memory_bytes

    def predict(self, task: str, inputs: np.ndarray) -> np.ndarray:
        """Return the eval worker's logits, unchecked, for inputs [B, T]."""
        self._session.send(Frame("inputs", {"task": task}, {"inputs": inputs}))
        return parse_logits(self._receive())

    def built_weights(self, task: str, ready: Ready) -> np.ndarray:
        """Return the weights [P] of a task's model as they were before training."""
        self._session.send(Frame("built", {"task": task}))
        return parse_built(self._receive(), ready, task)

    def gradient(self, request: GradientRequest, ready: Ready) -> Gradient:
        """Return the gradient of the loss on a batch."""
        arrays = {"weights": request.weights, **request.buffers, **request.batch._asdict()}
        self._session.send(Frame("gradient", {"task": request.task, "seed": request.seed}, arrays))
        return parse_gradient(self._receive(), ready, request.task)

    def forward(self, request: GradientRequest) -> None:
        """Let the worker do the forward pass of a batch, for its time."""
        self._session.send(Frame("forward", {"task": request.task}, {"inputs": request.batch.inputs}))
        parse_done(self._receive())

    def _receive(self) -> Frame:
        """Return the worker's next frame."""
        try:
            return self._session.recv()
        except ReportedFault as fault:
            if fault.reason in WORKER_REASONS:
                raise
            raise JailFault("protocol_error", "the run reports a fault that it can't have", fault.tail) from None

    def close(self) -> None:
        """End the worker; nothing of it remains."""
        self._session.close()


class WorkMeter:
    """Measures a worker's CPU time between readings, from outside."""

    def __init__(self, worker: Worker) -> None:
        """Start to count now. Raises JailFault."""
        self._worker, self._mark_s = worker, worker.cpu_seconds

    def read(self, step: int, last_step: int, losses: dict[str, float]) -> Reading:
        """Return the reading after a step, with the CPU time since the reading of `last_step`. Raises JailFault."""
        before_s, self._mark_s = self._mark_s, self._worker.cpu_seconds
        step_seconds = (self._mark_s - before_s) / (step - last_step)
        return Reading(step, losses, step_seconds, self._worker.memory_bytes)


def max_reply_bytes(scale: Scale) -> int:
    """Return the most array bytes of a worker's frame: twice a checkpoint's size, or one window's logits."""
    longest = max(task.length for task in scale.tasks.values())
    state = 12 * scale.shape.parameters * len(scale.tasks)  # a weight and its two moments, in float32
    return max(MIN_REPLY_BYTES, 2 * state, 4 * longest * scale.shape.vocabulary + (1 << 20))
