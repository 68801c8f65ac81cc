"""What language models read about a rung: its size, its tasks and its gates, taken from the trainer's own facts."""

import inspect

from bus.vocabulary.events import RungBrief
from trainer.gate_demands import DEMANDS
from trainer.scales import Scale
from trainer.tasks.kinds import Recall, Task


def rung_brief(scale: Scale) -> RungBrief:
    """Return the brief of a rung, which CampaignStarted records."""
    shape = scale.shape
    return RungBrief(
        width=shape.d_model,
        heads=shape.n_heads,
        layers=shape.layers,
        parameters=shape.parameters,
        steps=scale.steps,
        longest=max(task.length for task in scale.tasks.values()),
        device=scale.device,
        dtype=scale.dtype,
        tasks={name: _demand_of(task) for name, task in scale.tasks.items()},
        gates=dict(DEMANDS),
    )


def _demand_of(task: Task) -> str:
    """Return what a task asks for: the first line about its kind, and its figures."""
    about = inspect.getdoc(type(task)) or ""
    figures = f"batch {task.batch}, vocabulary {task.vocabulary}"
    if isinstance(task, Recall):
        levels = ", ".join(f"{pairs} pairs in {length} tokens" for length, pairs in task.levels)
        return f"{about.splitlines()[0]} Levels: {levels}; {figures}."
    return f"{about.splitlines()[0]} Sequences of {task.length} tokens, {figures}."
