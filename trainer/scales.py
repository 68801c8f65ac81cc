"""The ladder of scales: every number of the training protocol, read from `scales.toml`.

A `Scale` is a frozen record; it travels to a worker as plain values. Only the file decides which tasks a rung has and
of which kind each is (`trainer.tasks.kinds`). All tasks train for the same number of steps, so a task's weight is its
batch times its length. The module needs the standard library only, because the jail reads it too.
"""

import math
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainer.tasks.kinds import Bpe, Recall, Task, Text, TextTask, check_keys, parse_task

if TYPE_CHECKING:
    from bus.vocabulary.events import Limits

PARAMETER_TOLERANCE = 0.05
"""Relative distance to the parameter budget that counts as matched."""
LADDER = Path(__file__).with_name("scales.toml")


@dataclass(frozen=True, slots=True)
class Shape:
    """The language model around the candidate, before its width is matched."""

    d_model: int
    """Width at which matching the parameter budget starts."""
    n_heads: int
    """Heads of the candidate."""
    layers: int
    """Blocks, each of one mixer and one gated MLP."""
    vocabulary: int
    """Rows of the embedding; every task's tokens are below it."""
    tied: bool
    """Whether head and embedding share their weights."""
    parameters: int
    """Parameter budget of the model."""

    def is_matched(self, parameters: int) -> bool:
        """Whether a number of parameters meets the budget within the tolerance."""
        return abs(parameters / self.parameters - 1) <= PARAMETER_TOLERANCE


@dataclass(frozen=True, slots=True)
class MonitorThresholds:
    """Thresholds of the live monitor; `trainer.run.monitor` lists its rules."""

    reading_interval: int
    """Steps between readings."""
    divergence_nats: float
    """Nats above the best reading at which a loss counts as diverged."""
    divergence_readings: int
    """Diverged readings in a row that make an anomaly."""
    min_progress: float
    """Least fall of the text loss in the first half of the steps, as a share of its first reading."""
    leak_ratio: float
    """Share of the best baseline's final loss below which an early text loss is an anomaly."""
    slow_ratio: float
    """Multiple of the baselines' step time above which a run is too slow."""
    forward_ratio: float
    """Multiple of its forward passes' CPU time that a training step may take; 0 where the worker has the optimiser."""
    gradient_ratio: float
    """The same of its forward and backward passes."""
    warmup_steps: int
    """Steps before the monitor judges step times and memory."""
    memory_growth_mb: float
    """MiB by which each third of the readings must be above the third before it to be an anomaly."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One rung."""

    name: str
    """Its name on the command line."""
    device: Literal["cpu", "cuda"]
    """Device that it runs on."""
    dtype: Literal["float32", "bfloat16"]
    """Dtype of the forward pass; parameters stay in float32."""
    optimiser: Literal["parent", "worker"]
    """Process that updates the weights: the parent, so that no candidate can take a step of its own, or the jailed
    worker, if gradients are too large to be handed over in every step."""
    steps: int
    """Optimisation steps of each task."""
    warmup_steps: int
    """Steps of linear warm-up of the learning rate."""
    final_rate: float
    """Share of the peak learning rate at the end of the cosine."""
    clip: float
    """Largest norm of all gradients together."""
    betas: tuple[float, float]
    """Betas of AdamW."""
    seconds: float
    """Seconds that a run may wait, or compute, by default; a busy machine may slow it down (`sandbox.watchdog`)."""
    memory_mb: int
    """MiB that a run may take by default."""
    shape: Shape
    """The model around the candidate."""
    checkpoint_every: int
    """Steps between two checkpoints, a multiple of the monitor's `reading_interval`; 0 for no checkpoints."""
    tasks: dict[str, Task]
    """Every task by name, in the order of training within a step."""
    monitor: MonitorThresholds
    """The monitor's thresholds."""
    typical_seconds: float = 0.0
    """CPU seconds of a run of Mamba-2 alone on a core, gates and examination included; 0 if nobody measured it."""

    def at_rate(self, multiple: float) -> "Scale":
        """Return the scale with a multiple of every task's learning rate."""
        tasks = {name: replace(task, learning_rate=multiple * task.learning_rate) for name, task in self.tasks.items()}
        return replace(self, tasks=tasks)

    @property
    def text_tasks(self) -> dict[str, TextTask]:
        """The tasks on real text, by name."""
        return {name: task for name, task in self.tasks.items() if isinstance(task, Text | Bpe)}

    @property
    def fitness_text_task(self) -> str:
        """Name of the task whose loss enters the fitness: the first on real text."""
        return next(iter(self.text_tasks))

    @property
    def fitness_recall_task(self) -> str:
        """Name of the task whose accuracy enters the fitness: the first of associative recall."""
        return next(name for name, task in self.tasks.items() if isinstance(task, Recall))

    def level(self, name: str, step: int) -> int:
        """Return the level of difficulty, from 0, of a task's batch in a training step, from 0."""
        task = self.tasks[name]
        return step * len(task.levels) // self.steps if isinstance(task, Recall) else 0

    def learning_rate(self, step: int) -> float:
        """Return the share of the peak rate at a step, from 0: linear warm-up, then a cosine down to `final_rate`."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        return self.final_rate + (1 - self.final_rate) * 0.5 * (1 + math.cos(math.pi * progress))

    def is_checkpoint(self, completed: int) -> bool:
        """Whether the state is saved after so many steps; the last step needs no checkpoint."""
        return self.checkpoint_every > 0 and completed % self.checkpoint_every == 0 and completed < self.steps

    @property
    def tokens(self) -> int:
        """Training tokens over all tasks."""
        return self.steps * sum(task.batch * task.length for task in self.tasks.values())


def parse_scale(values: dict[str, Any]) -> Scale:
    """Return the scale that plain values (of TOML or JSON) describe. Raises ValueError for wrong keys or values."""
    check_keys("the scale", Scale, values)
    check_keys("shape", Shape, values["shape"])
    check_keys("monitor", MonitorThresholds, values["monitor"])
    tasks = {name: parse_task(name, _freeze_lists(task)) for name, task in values["tasks"].items()}
    shape, monitor = Shape(**values["shape"]), MonitorThresholds(**values["monitor"])
    return Scale(**{**_freeze_lists(values), "shape": shape, "monitor": monitor, "tasks": tasks})


def _freeze_lists(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with every list, and every list inside it, as a tuple."""
    return {key: _freeze(value) for key, value in values.items()}


def _freeze(value: Any) -> Any:
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


@cache
def ladder(path: Path = LADDER) -> dict[str, Scale]:
    """Return every rung by name, smallest first. Raises ValueError, in one line, for a mistake in the file."""
    try:
        rungs = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    return {name: _parse_rung(path, name, values) for name, values in rungs.items()}


def _parse_rung(path: Path, name: str, values: dict[str, Any]) -> Scale:
    """Return a rung that can carry a campaign. Raises ValueError with the names of the file and the rung."""
    try:
        scale = parse_scale({"name": name, **values})
        _check_rung(scale)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name}: {name}: {error}") from None
    return scale


def _check_rung(scale: Scale) -> None:
    """Raise ValueError if a campaign can't run at this scale."""
    if not scale.text_tasks or not any(isinstance(task, Recall) for task in scale.tasks.values()):
        kinds = ", ".join(task.kind for task in scale.tasks.values())
        raise ValueError(f"no task of text or none of recall ({kinds}); hint: add one of kind text or bpe, one of mqar")
    if scale.checkpoint_every % scale.monitor.reading_interval:
        raise ValueError(
            f"checkpoint_every ({scale.checkpoint_every}) is no multiple of the monitor's reading_interval "
            f"({scale.monitor.reading_interval}); hint: choose a multiple, or 0 for no checkpoints"
        )
    for name, task in scale.tasks.items():
        if not name.isidentifier():
            raise ValueError(f"task name {name!r} is no identifier; hint: use letters, digits and underscores")
        if task.vocabulary > scale.shape.vocabulary:
            raise ValueError(
                f"task {name!r} has more tokens ({task.vocabulary}) than the model ({scale.shape.vocabulary}); "
                f"hint: raise the shape's vocabulary"
            )


def load(name: str) -> Scale:
    """Return a rung of the ladder. Raises ValueError if none has this name."""
    rungs = ladder()
    if name not in rungs:
        raise ValueError(f"there is no scale {name!r}; hint: choose one of {', '.join(rungs)}")
    return rungs[name]


def limits() -> "dict[str, Limits]":
    """Return the time and memory limits of a run at each rung, by name."""
    from bus.vocabulary.events import Limits  # not in the jail, which imports this module too

    return {name: Limits(seconds=scale.seconds, memory_mb=scale.memory_mb) for name, scale in ladder().items()}
