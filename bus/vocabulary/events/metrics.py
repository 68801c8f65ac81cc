"""The figures of a completed run: one record in RunCompleted, in memory's rows, in replies and on the command line.

Tasks and measures are open mappings, so a new figure is a new key, written where it is measured and read where it is
used.
"""

from pydantic import Field

from bus.vocabulary.events.base import Record

HIGHER_IS_BETTER = frozenset({"accuracy"})
"""Measures of which more is better; of every other one, less is."""


class Measure(Record):
    """One measured value."""

    value: float
    """The value, in the measure's own unit."""
    stderr: float | None = Field(default=None, ge=0)
    """Its standard error; None if it is not known."""


class TaskMetrics(Record):
    """Scores of a trained architecture on one task, computed from raw logits outside the sandbox."""

    kind: str
    """Kind of the task, such as `mqar` or `mad.selective_copying`."""
    measures: dict[str, Measure]
    """Measure by name: `loss` in nats per asked position, `accuracy` as a share of them; on text also `nats_per_byte`
    and `bits_per_byte`, on other tasks `log_loss`. Each is the mean over the task's levels."""


class CurvePoint(Record):
    """A point of a training loss curve, thinned for the record."""

    task: str
    """Name of the task."""
    step: int
    """Training step."""
    loss: float
    """Nats per target, averaged since the point before."""


class Metrics(Record):
    """All figures of a run."""

    tasks: dict[str, TaskMetrics]
    """Scores by task, in the order of the rung."""
    text_task: str
    """Task whose loss enters the fitness: the rung's first on text."""
    recall_task: str
    """Task whose accuracy enters the fitness: the rung's first of associative recall."""
    size: dict[str, int]
    """`parameters` of the whole language model, `width` (d_model)."""
    cost: dict[str, float]
    """`seconds` of wall time, `step_seconds` (median CPU seconds of a training step), `flops_per_token` of a forward
    pass, `steps` and `tokens` of training over all tasks."""
    training: dict[str, float] = {}
    """Measures of the training itself: `text_loss`, nats per byte of training text when it ended."""
    curve: tuple[CurvePoint, ...] = ()
    """Thinned loss curves of all tasks."""

    @property
    def val_loss(self) -> float:
        """Loss on the held-out text of record, nats per byte."""
        return self.value(self.text_task, "nats_per_byte")

    @property
    def bits_per_byte(self) -> float:
        """The same in bits."""
        return self.value(self.text_task, "bits_per_byte")

    @property
    def recall(self) -> float:
        """Accuracy on the recall task of record."""
        return self.value(self.recall_task, "accuracy")

    @property
    def recall_stderr(self) -> float:
        """Its standard error; 0 if it is not known."""
        return self.tasks[self.recall_task].measures["accuracy"].stderr or 0.0

    def value(self, task: str, measure: str) -> float:
        """Return a task's measure. Raises KeyError."""
        return self.tasks[task].measures[measure].value

    def figures(self) -> dict[str, float]:
        """Return the figures of record, size and cost by their names."""
        record = {"val_loss": self.val_loss, "bits_per_byte": self.bits_per_byte, "recall": self.recall}
        return record | {"recall_stderr": self.recall_stderr} | self.size | self.cost

    def scores(self) -> list[dict[str, str | float]]:
        """Return one flat record per task: its name, its kind, and each measure with its standard error."""
        return [
            {"task": name, "kind": task.kind}
            | {measure: one.value for measure, one in task.measures.items()}
            | {f"{measure}_stderr": one.stderr for measure, one in task.measures.items() if one.stderr is not None}
            for name, task in self.tasks.items()
        ]

    def worst_with(self, other: "Metrics") -> "Metrics":
        """Return these metrics with the worse of both for every measure, and the larger standard error.

        A second run of a suspicious result counts so, since no further draw may flatter it. A task or a measure that
        only one of the two has is left out.
        """
        tasks = {
            name: task.model_copy(update={"measures": _worst_measures(task.measures, other.tasks[name].measures)})
            for name, task in self.tasks.items()
            if name in other.tasks
        }
        return self.model_copy(update={"tasks": tasks})


def _worst_measures(first: dict[str, Measure], second: dict[str, Measure]) -> dict[str, Measure]:
    return {name: _worst(name, first[name], second[name]) for name in first if name in second}


def _worst(name: str, first: Measure, second: Measure) -> Measure:
    worst = min if name in HIGHER_IS_BETTER else max
    errors = [one.stderr for one in (first, second) if one.stderr is not None]
    return Measure(value=worst(first.value, second.value), stderr=max(errors, default=None))
