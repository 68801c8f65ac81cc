"""Training, inside the jail: every task's model takes one step in turn, until the scale's steps are done.

AdamW with linear warm-up and cosine decay, clipped gradients, one thread. The same seed gives the same weights bit for
bit on one machine: data and initial weights come from seeded generators, readings are taken at fixed steps, and no
clock decides anything.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trainer.inside.adamw import AdamW
from trainer.inside.replicas import Replicas
from trainer.scales import Scale
from trainer.tasks.batch import IGNORED_TARGET, Batch
from trainer.tasks.draws import Draw

Report = Callable[[int, dict[str, float], float], None]
"""(steps done, mean loss of each task, median CPU seconds of a step) since the report before."""
Keep = Callable[[int], None]
"""(steps done): the moment to keep what it takes to go on from here."""


def learning_rate(scale: Scale, step: int) -> float:
    """Return the share of the peak rate at a step: linear up, then a cosine down to `final_rate`."""
    if step < scale.warmup_steps:
        return (step + 1) / scale.warmup_steps
    done = (step - scale.warmup_steps) / max(scale.steps - scale.warmup_steps, 1)
    return scale.final_rate + (1 - scale.final_rate) * 0.5 * (1 + math.cos(math.pi * done))


@dataclass
class Trainee:
    """One task's model on its way."""

    name: str
    model: nn.Module
    draw: Draw
    optimiser: AdamW
    peak: float
    """Learning rate at the top of the schedule."""
    devices: Sequence[torch.device] = (torch.device("cpu"),)
    """Where it is trained; the model lies on the first."""
    pieces: int = 1
    """Parts in which a device works through its share of a batch."""

    def __post_init__(self) -> None:
        """Copy the model to the other devices."""
        self._replicas = Replicas(self.model, self.devices, self.pieces)

    def step(self, step: int, scale: Scale) -> float:
        """Take one step and return its loss in nats per target."""
        batch = self.draw(step)
        self.optimiser.zero_grad()
        loss = self._replicas.gradients(batch, lambda model, part: cross_entropy(model, part, scale))
        self.optimiser.step(self.peak * learning_rate(scale, step))
        return loss


def cross_entropy(model: nn.Module, batch: Batch, scale: Scale) -> torch.Tensor:
    """Return the mean loss over the positions that are asked; only their logits are made."""
    asked = np.flatnonzero(batch.targets != IGNORED_TARGET)
    device = next(model.parameters()).device
    places = None if len(asked) == batch.targets.size else torch.from_numpy(asked).to(device)
    targets = torch.from_numpy(batch.targets.ravel()[asked]).to(device)  # [N]
    with autocast(scale):
        logits = model(torch.from_numpy(batch.inputs).to(device), places)  # [N, V] or [B, T, V]
    return functional.cross_entropy(logits.flatten(0, -2).float(), targets)


def autocast(scale: Scale) -> torch.autocast:
    """Return the context in which a forward pass has the scale's dtype."""
    return torch.autocast(scale.device, dtype=torch.bfloat16, enabled=scale.dtype == "bfloat16")


def devices(scale: Scale) -> list[torch.device]:
    """Return where a run at a scale takes place: every GPU that it may see, or the CPU."""
    count = torch.cuda.device_count() if scale.device == "cuda" else 0
    return [torch.device("cuda", number) for number in range(count)] or [torch.device(scale.device)]


def train(trainees: Iterable[Trainee], scale: Scale, report: Report, keep: Keep | None = None, done: int = 0) -> bool:
    """Train to the end from `done` steps; False where a loss stopped being finite, which is reported at once."""
    # Deterministic mode fills every new tensor with NaN. The gates want that; here it would cost a tenth of every step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    trainees = list(trainees)
    losses: dict[str, list[float]] = {trainee.name: [] for trainee in trainees}
    times: list[float] = []
    for step in range(done):
        for trainee in trainees:
            trainee.draw(step)  # the generators go on from where they were
    for step in range(done, scale.steps):
        began = time.process_time()
        for trainee in trainees:
            losses[trainee.name].append(trainee.step(step, scale))
        times.append(time.process_time() - began)
        finite = all(math.isfinite(values[-1]) for values in losses.values())
        if not finite or (step + 1) % scale.monitor.reading_interval == 0 or step + 1 == scale.steps:
            report(step + 1, {name: sum(values) / len(values) for name, values in losses.items()}, median(times))
            times.clear()
            for values in losses.values():
                values.clear()
        if not finite:
            return False
        if keep and scale.checkpoint_every and (step + 1) % scale.checkpoint_every == 0 and step + 1 < scale.steps:
            keep(step + 1)
    return True


def make_deterministic(seed: int) -> None:
    """Seed torch and ask it for one thread and reproducible algorithms."""
    torch.set_num_threads(1)
    # What torch.use_deterministic_algorithms(True) does, without its import of torch._inductor: 2 CPU seconds a run.
    torch._C._set_deterministic_algorithms(True, warn_only=True)  # noqa: SLF001
    torch.manual_seed(seed)
