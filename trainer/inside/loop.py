"""The training loop, in the jail: every task's model takes one step in turn, until the scale's steps are done.

AdamW with linear warm-up and cosine decay, clipped gradients, one thread. On one machine, the same seed gives the same
weights bit for bit: data and initial weights come from seeded generators, readings are taken at fixed steps, and
nothing depends on a clock.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainer.inside.adamw import AdamW
from trainer.inside.replicas import Replicas
from trainer.scales import Scale
from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.draws import Draw

OnReading = Callable[[int, dict[str, float]], None]
"""Receives (steps completed, mean loss of each task since the last reading)."""
OnCheckpoint = Callable[[int], None]
"""Receives the steps completed when the state of the training should be saved."""


@dataclass
class TaskTrainer:
    """One task's model with its data and optimiser."""

    name: str
    model: nn.Module
    draw: Draw
    optimiser: AdamW
    peak_rate: float
    """Learning rate at the top of the schedule."""
    devices: Sequence[torch.device] = (torch.device("cpu"),)
    """Devices to train on; the model is on the first."""
    gradient_accumulation: int = 1
    """Parts that each device cuts its share of a batch into."""

    def __post_init__(self) -> None:
        """Copy the model to the other devices."""
        self._replicas = Replicas(self.model, self.devices, self.gradient_accumulation)

    def step(self, step: int, scale: Scale) -> float:
        """Take one step (from 0) and return its loss in nats per target."""
        batch = self.draw(step)
        self.optimiser.zero_grad()
        loss = self._replicas.accumulate_gradients(batch, lambda model, part: cross_entropy(model, part, scale))
        self.optimiser.step(self.peak_rate * scale.learning_rate(step))
        return loss


def cross_entropy(model: nn.Module, batch: Batch, scale: Scale) -> torch.Tensor:
    """Return the mean loss over the positions with a target; logits are computed for these positions only."""
    positions = np.flatnonzero(batch.targets != IGNORED_TARGET)  # [N], in the flattened [B * T]
    device = next(model.parameters()).device
    selected = None if len(positions) == batch.targets.size else torch.from_numpy(positions).to(device)
    targets = torch.from_numpy(batch.targets.ravel()[positions]).to(device)  # [N]
    with autocast(scale):
        logits = model(torch.from_numpy(batch.inputs).to(device), selected)  # [N, V] or [B, T, V]
    return functional.cross_entropy(logits.flatten(0, -2).float(), targets)


def autocast(scale: Scale) -> torch.autocast:
    """Return the context in which a forward pass has the scale's dtype."""
    return torch.autocast(scale.device, dtype=torch.bfloat16, enabled=scale.dtype == "bfloat16")


def devices(scale: Scale) -> list[torch.device]:
    """Return the devices of a run at a scale: every visible GPU, or the CPU."""
    count = torch.cuda.device_count() if scale.device == "cuda" else 0
    return [torch.device("cuda", number) for number in range(count)] or [torch.device(scale.device)]


def train(
    trainers: Sequence[TaskTrainer],
    scale: Scale,
    on_reading: OnReading,
    on_checkpoint: OnCheckpoint | None = None,
    first_step: int = 0,
) -> bool:
    """Train from `first_step` to the end. If a loss is not finite, report it at once and return False."""
    leave_memory_unfilled()
    _skip_batches(trainers, first_step)
    readings = _ReadingRecorder([trainer.name for trainer in trainers])
    for step in range(first_step, scale.steps):
        losses = {trainer.name: trainer.step(step, scale) for trainer in trainers}
        readings.add(losses)
        finite, completed = all(map(math.isfinite, losses.values())), step + 1
        if not finite or completed % scale.monitor.reading_interval == 0 or completed == scale.steps:
            on_reading(completed, readings.take())
        if not finite:
            return False
        if on_checkpoint and scale.is_checkpoint(completed):
            on_checkpoint(completed)
    return True


def _skip_batches(trainers: Sequence[TaskTrainer], steps: int) -> None:
    """Draw and discard the batches of the first steps, so that the generators are in the state of a whole run."""
    for step in range(steps):
        for trainer in trainers:
            trainer.draw(step)


class _ReadingRecorder:
    """Losses of the steps since the last reading."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self._losses: dict[str, list[float]] = {task: [] for task in tasks}

    def add(self, losses: dict[str, float]) -> None:
        """Record one step."""
        for task, loss in losses.items():
            self._losses[task].append(loss)

    def take(self) -> dict[str, float]:
        """Return the mean loss of each task, and start over."""
        means = {task: sum(losses) / len(losses) for task, losses in self._losses.items()}
        for losses in self._losses.values():
            losses.clear()
        return means


def leave_memory_unfilled() -> None:
    """Keep deterministic mode from filling every new tensor with NaN, which costs a tenth of a step.

    The gates need those values.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]


def make_deterministic(seed: int) -> None:
    """Seed torch and restrict it to one thread and reproducible algorithms."""
    torch.set_num_threads(1)
    # Same as torch.use_deterministic_algorithms(True) but without importing torch._inductor: 2 CPU seconds a run.
    torch._C._set_deterministic_algorithms(True, warn_only=True)  # noqa: SLF001
    torch.manual_seed(seed)
