"""Were the gradients of a training those of its loss? A fresh worker repeats some, and all must be equal.

The parent takes the steps, so a candidate can move its weights by gradients alone. It could still give other ones: the
direction to weights that it trained itself, or gradients of batches that it has kept. The parent keeps the gradients of
steps that no worker can know. After the examination it asks a fresh worker for them, one that holds only the source.
A gradient that depends on anything but the weights, the buffers, the seed and the batch of its step is not repeated.
The same goes for the buffers that a step leaves, else they could hold a model that was trained elsewhere. The weights
that training started from are compared too.

CPU seconds are compared as well, all of them counted from outside. A step that costs more than its passes in the fresh
worker hides work; a gradient that costs far more than its forward pass takes steps within itself. A constructor that
costs more than any honest one may train.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from sandbox import JailFault
from trainer.run.monitor import Reading
from trainer.run.protocol import Gradient, Ready
from trainer.run.worker import GradientRequest, Worker
from trainer.scales import MonitorThresholds
from trainer.verdicts import HIDDEN_STATE, SELF_REPORT

TOLERANCE = 1e-4
"""Largest difference of two gradients, as a share of the gradient's norm, that rounding can cause."""
START_S = 0.3
"""CPU seconds of a training that are not for its steps: caches are filled, libraries loaded."""
BUILD_S, BUILD_STEPS = 2.0, 5
"""CPU seconds that a fresh worker may take until all models are built, or as many as these steps of training if that is
more. Honest programs take 0.06 to 0.20, with what they import, on a machine with a load of 8."""


class KeptGradient(NamedTuple):
    """A request and the train worker's answer."""

    request: GradientRequest
    answer: Gradient


class PassSeconds(NamedTuple):
    """Mean CPU seconds of the passes of one training step, over all tasks."""

    forward: float
    """Of the forward passes alone."""
    gradient: float
    """Of the forward and the backward passes."""


def check_gradients(
    worker: Worker, built: Mapping[str, np.ndarray], kept: Sequence[KeptGradient], ready: Ready
) -> PassSeconds:
    """Repeat the kept gradients in a worker that has just got its job, and compare the weights as built of every task.

    Return what a step's passes cost there. Raises JailFault.
    """
    for task, weights in built.items():
        if not np.array_equal(worker.built_weights(task, ready), weights, equal_nan=True):
            raise JailFault(HIDDEN_STATE, f"another process builds other weights of {task}")
    build_s = worker.cpu_seconds
    for task in built:
        first = next(sample.request for sample in kept if sample.request.task == task)
        worker.gradient(first, ready)  # a first pass may load and cache something
    forward = gradient = 0.0
    for request, answer in kept:
        start_s = worker.cpu_seconds
        again = worker.gradient(request, ready)
        middle_s = worker.cpu_seconds
        worker.forward(request)
        gradient += middle_s - start_s
        forward += worker.cpu_seconds - middle_s
        require_same(request.task, answer, again)
    steps = len(kept) / len(built)
    passes = PassSeconds(forward / steps, gradient / steps)
    require_quick_build(build_s, passes)
    return passes


def require_quick_build(build_s: float, passes: PassSeconds) -> None:
    """Raise JailFault if building the models took so many CPU seconds that a constructor may have trained them."""
    most = max(BUILD_S, BUILD_STEPS * passes.gradient)
    if build_s > most:
        raise JailFault(SELF_REPORT, f"building the models takes {build_s:.1f} s of CPU, over {most:.1f} s")


def require_same(task: str, answer: Gradient, again: Gradient) -> None:
    """Raise JailFault unless two answers to one request, buffers included, are the same up to rounding."""
    norm, distance = _norm(again.gradient), _norm(answer.gradient - again.gradient)
    if not distance <= TOLERANCE * norm:
        share = distance / norm if norm else float("inf")
        raise JailFault(
            HIDDEN_STATE,
            f"another process computes another gradient of {task} from the same weights and batch: it differs by "
            f"{share:.2g} of its length",
        )
    if abs(answer.loss - again.loss) > TOLERANCE * abs(again.loss):
        raise JailFault(
            HIDDEN_STATE, f"another process computes another loss of {task}: {again.loss:.6g}, not {answer.loss:.6g}"
        )
    for name in answer.buffers.keys() | again.buffers.keys():
        if not _are_equal(answer.buffers.get(name), again.buffers.get(name)):
            raise JailFault(
                HIDDEN_STATE, f"another process leaves another buffer {name} from the same weights and batch"
            )


def _are_equal(answer: np.ndarray | None, again: np.ndarray | None) -> bool:
    """Whether two buffers are the same, numbers with a fraction up to rounding; None is a buffer as it was built."""
    if answer is None or again is None:
        return answer is again
    if np.array_equal(answer, again, equal_nan=True):
        return True
    distance = _norm(np.subtract(answer, again, dtype=np.float64)) if again.dtype.kind == "f" else math.inf
    return distance <= TOLERANCE * _norm(again)


def _norm(vector: np.ndarray) -> float:
    """Return a vector's length, without BLAS: its threads would go on spinning while the worker computes."""
    return math.sqrt(np.square(vector, dtype=np.float64).sum())


def training_seconds(readings: Sequence[Reading]) -> float:
    """Return the CPU seconds of all steps up to the last reading."""
    starts = [0, *(reading.step for reading in readings)]
    return sum(reading.step_seconds * (reading.step - start) for start, reading in zip(starts, readings, strict=False))


def require_paid_work(training_s: float, steps: int, passes: PassSeconds, thresholds: MonitorThresholds) -> None:
    """Raise JailFault if the training took more CPU seconds than the passes of its steps can explain."""
    step = max(training_s - START_S, 0.0) / steps
    most = min(thresholds.forward_ratio * passes.forward, thresholds.gradient_ratio * passes.gradient)
    if step > most:
        raise JailFault(
            SELF_REPORT,
            f"a step takes {step * 1e3:.1f} ms of CPU; its forward passes take {passes.forward * 1e3:.1f} ms alone and "
            f"{passes.gradient * 1e3:.1f} ms with the gradient, which explains {most * 1e3:.1f} ms at most",
        )
