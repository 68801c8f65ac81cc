"""The parent's side of the protocol with a worker in the jail.

The docstrings of `trainer.inside.train_worker` and `trainer.inside.eval_worker` list the frames. A frame of another
kind or in another form than expected is a JailFault with the reason `protocol_error`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Self

import numpy as np
from pydantic import ValidationError

from bus.vocabulary.events import GateResult
from bus.wire.plain_text import clean_text
from sandbox import Frame, Jail, JailFault, Session
from trainer.run.events import TAIL_CHARACTERS
from trainer.run.monitor import Reading
from trainer.scales import Scale

MIN_REPLY_BYTES = 1 << 28
"""Most array bytes of a worker's frame on a small scale; a large scale allows more."""
WIDTH_FIELDS = ("d_model", "hidden", "parameters")
"""Fields of the width that the worker has matched."""


class Rejection(NamedTuple):
    """The report on a candidate that failed a gate."""

    gates: tuple[GateResult, ...]
    reason: str
    """Reason code of the failed gate."""


class Admission(NamedTuple):
    """The report on a candidate that passed every gate."""

    gates: tuple[GateResult, ...]
    flops_per_token: float
    width: dict[str, int]
    """Values of WIDTH_FIELDS."""


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
        """Seconds until the worker's deadline."""
        return self._session.remaining_s

    def send_job(self, job: Mapping[str, object], arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Send the first frame; `arrays` are the weights to evaluate."""
        self._session.send(Frame("job", dict(job), dict(arrays or {})))

    def receive_verdict(self) -> Admission | Rejection:
        """Return the train worker's report on the gates."""
        frame = self._session.recv()
        with malformed_frames_as_faults():
            gates = tuple(
                GateResult(gate=g["gate"], passed=g["passed"], evidence=clean_text(g["evidence"], TAIL_CHARACTERS))
                for g in frame.header["gates"]
            )
            if frame.kind == "rejected":
                return Rejection(gates, next(g["reason"] for g in frame.header["gates"] if not g["passed"]))
            if frame.kind != "ready":
                raise JailFault("protocol_error", f"a frame of kind {frame.kind!r} came for the gates' verdict")
            width = {name: int(frame.header["width"][name]) for name in WIDTH_FIELDS}
            return Admission(gates, float(frame.header["flops_per_token"]), width)

    def start_training(
        self, texts: Mapping[str, np.ndarray], step: int = 0, state: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Start training on each text task's tokens [N]: from the beginning, or after `step` from a checkpoint."""
        self._session.send(Frame("train", {"done": step}, dict(texts)))
        if state is not None:
            self._session.send(Frame("checkpoint", arrays=dict(state)))

    def receive(self, *kinds: str) -> Frame:
        """Return the worker's next frame, which must be of one of these kinds."""
        frame = self._session.recv()
        if frame.kind not in kinds:
            raise JailFault("protocol_error", f"a frame of kind {frame.kind!r} came in place of {' or '.join(kinds)}")
        return frame

    def parse_reading(self, frame: Frame) -> Reading:
        """Return the reading in a frame, with the worker's memory as counted from outside."""
        with malformed_frames_as_faults():
            losses = {str(task): float(loss) for task, loss in frame.header["losses"].items()}
            seconds = float(frame.header["step_seconds"])
            return Reading(int(frame.header["step"]), losses, seconds, self._session.memory_bytes)

    def predict(self, task: str, inputs: np.ndarray) -> np.ndarray:
        """Return the eval worker's logits, unchecked, for inputs [B, T]."""
        self._session.send(Frame("inputs", {"task": task}, {"inputs": inputs}))
        with malformed_frames_as_faults():
            return self.receive("logits").arrays["logits"]

    def close(self) -> None:
        """End the worker; nothing of it remains."""
        self._session.close()


def max_reply_bytes(scale: Scale) -> int:
    """Return the most array bytes of a worker's frame: twice a checkpoint's size, or one window's logits."""
    longest = max(task.length for task in scale.tasks.values())
    state = 12 * scale.shape.parameters * len(scale.tasks)  # a weight and its two moments, in float32
    return max(MIN_REPLY_BYTES, 2 * state, 4 * longest * scale.shape.vocabulary + (1 << 20))


@contextmanager
def malformed_frames_as_faults() -> Iterator[None]:
    """Turn an error that a missing or mistyped value of a frame causes into a JailFault."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, ValidationError) as error:
        raise JailFault("protocol_error", f"a frame says something else than agreed: {type(error).__name__}") from None
