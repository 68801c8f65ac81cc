"""The ladder of scales: every number of the protocol an architecture is tried under, read from `scales.toml`.

A `Scale` is a frozen record that travels to the child process as plain values. Which tasks exist, and how much each
weighs (batch × length at equal steps), is data here and nowhere in code. Standard library only: the jail sees it too.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from bus.events import Limits

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
class Recall:
    """Multi-query associative recall at several levels of difficulty (arXiv 2312.04927)."""

    batch: int
    """Tokens a step, in sequences of the hardest level's length."""
    levels: tuple[tuple[int, int], ...]
    """(length, pairs) from easy to hard: training climbs them in equal shares of the steps, the score is their mean."""
    vocabulary: int
    """Tokens in use; the lower half are keys, the upper half values."""
    power: float
    """Exponent of the power law that places the questions."""
    learning_rate: float
    """Peak."""
    weight_decay: float
    """Decoupled, on matrices only."""
    held_out: int
    """Sequences of each level in the evaluation."""

    @property
    def length(self) -> int:
        """Tokens of the longest sequence."""
        return self.levels[-1][0]


@dataclass(frozen=True, slots=True)
class Text:
    """Next-byte prediction on real text."""

    batch: int
    """Windows a step."""
    length: int
    """Bytes a window predicts, each from those before it in the window."""
    learning_rate: float
    """Peak."""
    weight_decay: float
    """Decoupled, on matrices only."""
    held_out: int
    """Windows in the evaluation, spread evenly over the validation documents."""
    corpus_bytes: int
    """Most text that is read; more documents than that are left out."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Thresholds of the live monitor; `trainer.monitor` says what each is held against."""

    every: int
    """Steps between readings."""
    rise: float
    """Nats above the best reading that count as divergence."""
    patience: int
    """Readings in a row that have to agree on a divergence."""
    progress: float
    """Share of its first loss that text must have shed by half of the steps."""
    honest: float
    """Share of the best baseline's final loss below which an early text loss is not believed."""
    slow: float
    """Multiple of the peers' step time that is too slow."""
    settle: int
    """Steps before step times and memory are judged."""
    hoard: float
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
    warm_up: int
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
    recall: Recall
    """The benchmark task."""
    text: Text
    """The language task."""
    watch: Watch
    """The monitor's thresholds."""

    @property
    def tasks(self) -> dict[str, Recall | Text]:
        """Every task by its name, in the order they are trained within a step."""
        return {"recall": self.recall, "text": self.text}

    def level(self, task: str, step: int) -> int:
        """Return which level of difficulty a task is at in a training step (from 0): a new one begins a new curve."""
        wanted = self.tasks[task]
        return step * len(wanted.levels) // self.steps if isinstance(wanted, Recall) else 0

    @property
    def tokens(self) -> int:
        """Training tokens over all tasks."""
        return self.steps * sum(task.batch * task.length for task in self.tasks.values())


_PARTS = {"shape": Shape, "recall": Recall, "text": Text, "watch": Watch}


def scale_of(values: dict[str, Any]) -> Scale:
    """Return the scale that plain values (of TOML or JSON) describe. Raises TypeError for a wrong set of keys."""
    parts = {name: part(**_tuples(values[name])) for name, part in _PARTS.items() if name in values}
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
        return {name: scale_of({"name": name, **rung}) for name, rung in rungs.items()}
    except (tomllib.TOMLDecodeError, TypeError, OSError) as error:
        raise ValueError(f"{path.name}: {error}") from None


def load(name: str) -> Scale:
    """Return the rung of that name. Raises ValueError where there is none."""
    rungs = ladder()
    if name not in rungs:
        raise ValueError(f"there is no scale {name!r}; there are {', '.join(rungs)}")
    return rungs[name]


def limits() -> "dict[str, Limits]":
    """Return what a run may use at each rung, as a request says it."""
    from bus.events import Limits  # not in the jail, where this module is read too

    return {name: Limits(seconds=scale.seconds, memory_mb=scale.memory_mb) for name, scale in ladder().items()}
