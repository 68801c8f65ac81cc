"""The ladder of scales: every number of the protocol an architecture is tried under, read from `scales.toml`.

A `Scale` is a frozen record that travels to the child process as plain values. Which tasks a rung has, of which kind
(`trainer.tasks.kinds`), and how much each weighs (batch × length at equal steps), is data there and nowhere in code.
Standard library only: the jail sees it too.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainer.tasks.kinds import Bpe, Language, Recall, Task, Text, task_of

if TYPE_CHECKING:
    from bus.vocabulary.events import Limits

LADDER = Path(__file__).with_name("scales.toml")


@dataclass(frozen=True, slots=True)
class Shape:
    """The language model around the candidate, before its width is matched."""

    d_model: int
    """Width the harness starts from."""
    n_heads: int
    """Heads the candidate is asked to have."""
    layers: int
    """Blocks, each one mixer and one gated MLP."""
    vocabulary: int
    """Rows of the embedding; every task's tokens lie below."""
    tied: bool
    """Whether the head is the embedding."""
    parameters: int
    """Budget that every model's width is matched to."""


@dataclass(frozen=True, slots=True)
class MonitorThresholds:
    """Thresholds of the live monitor; `trainer.run.monitor` says what each is held against."""

    reading_interval: int
    """Steps between readings."""
    divergence_nats: float
    """Nats above the best reading that count as divergence."""
    divergence_readings: int
    """Readings in a row that have to agree on a divergence."""
    min_progress: float
    """Share of its first loss that text must have shed by half of the steps."""
    leak_ratio: float
    """Share of the best baseline's final loss below which an early text loss is not believed."""
    slow_ratio: float
    """Multiple of the peers' step time that is too slow."""
    warmup_steps: int
    """Steps before step times and memory are judged."""
    memory_growth_mb: float
    """MiB by which memory, from third to third of a run, may not keep growing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One rung."""

    name: str
    """How it is called on the command line."""
    device: Literal["cpu", "cuda"]
    """Where it runs."""
    dtype: Literal["float32", "bfloat16"]
    """What the forward pass computes in; parameters stay in float32."""
    steps: int
    """Optimisation steps of each task."""
    warmup_steps: int
    """Steps of linear warm-up."""
    final_rate: float
    """Share of the peak learning rate that the cosine ends at."""
    clip: float
    """Largest norm of a gradient."""
    betas: tuple[float, float]
    """AdamW's."""
    seconds: float
    """Wall seconds a run may take, where nobody says otherwise."""
    memory_mb: int
    """MiB a run may take, where nobody says otherwise."""
    shape: Shape
    """The model."""
    checkpoint_every: int
    """Steps between two checkpoints, a multiple of the monitor's `every`; 0 for a run too short to need one."""
    tasks: dict[str, Task]
    """Every task by its name, in the order they are trained within a step."""
    monitor: MonitorThresholds
    """The monitor's thresholds."""

    @property
    def languages(self) -> dict[str, Language]:
        """The tasks on real text."""
        return {name: task for name, task in self.tasks.items() if isinstance(task, Text | Bpe)}

    @property
    def text_of_record(self) -> str:
        """The task whose loss enters the fitness: the first on real text."""
        return next(iter(self.languages))

    @property
    def recall_of_record(self) -> str:
        """The task whose accuracy enters the fitness: the first of associative recall."""
        return next(name for name, task in self.tasks.items() if isinstance(task, Recall))

    def level(self, task: str, step: int) -> int:
        """Return which level of difficulty a task is at in a training step (from 0): a new one begins a new curve."""
        wanted = self.tasks[task]
        return step * len(wanted.levels) // self.steps if isinstance(wanted, Recall) else 0

    @property
    def tokens(self) -> int:
        """Training tokens over all tasks."""
        return self.steps * sum(task.batch * task.length for task in self.tasks.values())


def scale_of(values: dict[str, Any]) -> Scale:
    """Return the scale that plain values (of TOML or JSON) describe. Raises TypeError or ValueError for wrong keys."""
    tasks = {name: task_of(name, _tuples(task)) for name, task in values["tasks"].items()}
    parts = {"shape": Shape(**values["shape"]), "monitor": MonitorThresholds(**values["monitor"]), "tasks": tasks}
    return Scale(**{**_tuples(values), **parts})


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """Turn lists into tuples, one level of nesting included, so that what is frozen stays so."""
    return {key: _tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _tuple(values: list[Any]) -> tuple[Any, ...]:
    """Turn a list into a tuple, its own lists included."""
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


@cache
def ladder(path: Path = LADDER) -> dict[str, Scale]:
    """Return every rung by its name, smallest first. Raises ValueError where the file doesn't hold."""
    try:
        rungs = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: _checked(scale_of({"name": name, **rung})) for name, rung in rungs.items()}
    except KeyError as error:
        raise ValueError(f"{path.name}: a scale lacks {error}") from None
    except (TypeError, ValueError, OSError) as error:
        raise ValueError(f"{path.name}: {error}") from None


def _checked(scale: Scale) -> Scale:
    """Return a rung that a campaign can be run on. Raises ValueError."""
    if not scale.languages or not any(isinstance(task, Recall) for task in scale.tasks.values()):
        raise ValueError(f"{scale.name}: fitness needs a task of kind text or bpe, and one of kind mqar")
    if scale.checkpoint_every % scale.monitor.reading_interval:
        raise ValueError(
            f"{scale.name}: checkpoint_every ({scale.checkpoint_every}) is no multiple of the monitor's "
            f"reading_interval ({scale.monitor.reading_interval})"
        )
    for name, task in scale.tasks.items():
        if not name.isidentifier():
            raise ValueError(f"{scale.name}: {name!r} can't be a task's name")
        if task.vocabulary > scale.shape.vocabulary:
            raise ValueError(f"{scale.name}: {name} has {task.vocabulary} tokens, the model {scale.shape.vocabulary}")
    return scale


def load(name: str) -> Scale:
    """Return the rung of that name. Raises ValueError where there is none."""
    rungs = ladder()
    if name not in rungs:
        raise ValueError(f"there is no scale {name!r}; there are {', '.join(rungs)}")
    return rungs[name]


def limits() -> "dict[str, Limits]":
    """Return what a run may use at each rung, as a request says it."""
    from bus.vocabulary.events import Limits  # not in the jail, where this module is read too

    return {name: Limits(seconds=scale.seconds, memory_mb=scale.memory_mb) for name, scale in ladder().items()}
