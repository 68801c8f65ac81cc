"""The search objective of a campaign: the settings of `[objective]` over the defaults of its scale's tasks."""

from agents.analysis.seed_noise import default_measure
from bus.vocabulary.events import Objective, ObjectiveMeasure
from lab.errors import LabError
from lab.settings import ObjectiveSettings
from trainer.scales import Scale

OTHER_TASKS_WEIGHT = 0.5
"""Weight of all tasks together that are not on text; the tasks on text share a weight of 1."""


def objective(settings: ObjectiveSettings, scale: Scale) -> Objective | None:
    """Return what a campaign ranks by; None for its fitness. Raises LabError."""
    if settings.rank_by == "fitness":
        return None
    if unknown := settings.tasks.keys() - scale.tasks.keys():
        names = ", ".join(scale.tasks)
        raise LabError(f"[objective.tasks.{min(unknown)}]: {scale.name} has no such task; hint: choose one of {names}")
    tasks = {task: _measure(settings, scale, task) for task in scale.tasks}
    if not any(task.weight for task in tasks.values()):
        raise LabError("[objective]: every task has weight 0; hint: give one a weight, or set rank_by = 'fitness'")
    return Objective(tasks=tasks, max_flops=settings.max_flops or None)


def _measure(settings: ObjectiveSettings, scale: Scale, task: str) -> ObjectiveMeasure:
    """Return how a task enters the objective."""
    on_text = task in scale.text_tasks
    peers = len(scale.text_tasks) if on_text else len(scale.tasks) - len(scale.text_tasks)
    weight = (1.0 if on_text else OTHER_TASKS_WEIGHT) / peers
    values = default_measure(scale.name, task, on_text=on_text) | {"weight": weight}
    given = settings.tasks[task].model_dump(exclude_none=True) if task in settings.tasks else {}
    if "measure" in given and "noise" not in given and given["measure"] != values["measure"]:
        hint = "hint: measure it over a few seeds of a baseline"
        raise LabError(f"[objective.tasks.{task}]: another measure ({given['measure']}) needs its noise; {hint}")
    return ObjectiveMeasure.model_validate(values | given)
