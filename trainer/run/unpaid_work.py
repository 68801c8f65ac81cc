"""Does a training do more work than its steps need? CPU seconds are compared, all of them counted from outside.

A step is a forward pass, a backward pass and an update. The parent asks a fresh worker, which holds only the source and
the weights, for the passes of some training steps: forward alone, and with the gradient. Whatever a mixer costs, a step
costs little more than the latter and a few times the former (`MonitorThresholds` of `trainer.scales`). Steps that a run
takes on its own come on top, wherever and whenever it takes them: in the fresh worker there is no trainer to take them
with, no optimiser and no text. Work that hides in every gradient is not in the forward pass alone.

All work since the verdict on the gates counts, bursts included. A program is not found if it wastes as much time in
both passes, for nothing, as it spends on steps of its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sandbox import JailFault
from trainer.run.job import Job
from trainer.run.monitor import Reading
from trainer.run.worker import Worker
from trainer.scales import MonitorThresholds
from trainer.tasks.draws import training_draw
from trainer.tasks.tokens import TokenizedCorpus
from trainer.verdicts import SELF_REPORT

SAMPLED_STEPS = 16
"""Training steps whose passes are repeated, at equal distances."""
START_S = 0.3
"""CPU seconds of a training that are not for its steps: text comes in, caches are filled, the weights leave."""


class PassSeconds(NamedTuple):
    """Mean CPU seconds of the passes of one training step, over all tasks."""

    forward: float
    """Of the forward passes alone."""
    gradient: float
    """Of the forward and the backward passes."""


def repeat_passes(worker: Worker, job: Job, texts: Mapping[str, TokenizedCorpus]) -> PassSeconds:
    """Return what the passes of a training step cost in a fresh eval worker. Raises JailFault."""
    scale, forward, gradient = job.scale, 0.0, 0.0
    sampled = range(0, scale.steps, max(scale.steps // SAMPLED_STEPS, 1))
    for name, task in scale.tasks.items():
        text = texts.get(name)
        draw = training_draw(task, scale.steps, job.seed("data", name), text.train if text else None)
        batches = [draw(step) for step in range(scale.steps)][:: sampled.step]
        worker.repeat_pass("gradient", name, batches[0])  # a first pass may load and cache something
        forward += sum(worker.repeat_pass("forward", name, batch) for batch in batches)
        gradient += sum(worker.repeat_pass("gradient", name, batch) for batch in batches)
    return PassSeconds(forward / len(sampled), gradient / len(sampled))


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
