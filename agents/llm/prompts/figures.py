"""Experiments as text for a model: figures per task, thinned curves, failures with their reasons."""

from collections.abc import Iterable, Sequence

from bus.vocabulary.events import CurvePoint, Metrics
from bus.vocabulary.queries import Experiment
from bus.wire.plain_text import clean_line

CURVE_POINTS = 8
"""Points of a task's curve that are in a prompt."""
NAME_CHARACTERS = 80
MESSAGE_CHARACTERS = 200


def ending(experiment: Experiment) -> str:
    """Return in one line what an experiment is and how it ended."""
    return f"{experiment.id} {clean_line(experiment.name, NAME_CHARACTERS)}: {_result(experiment)}"


def _result(experiment: Experiment) -> str:
    if experiment.fitness is None:
        return f"{experiment.status} {experiment.reason}".strip()
    figures = [f"fitness {experiment.fitness:.3f}"]
    figures += [] if experiment.objective is None else [f"objective {experiment.objective:+.2f}"]
    figures += [] if experiment.val_loss is None else [f"text loss {experiment.val_loss:.3f}"]
    figures += [] if experiment.recall is None else [f"recall {experiment.recall:.3f}"]
    return ", ".join(figures)


def figures(experiment: Experiment) -> str:
    """Return all figures of a run in lines: each task with its curve, then size and cost."""
    metrics = experiment.metrics
    if metrics is None:
        return ending(experiment)
    tasks = [_task(metrics, name) for name in metrics.tasks]
    sizes = ", ".join(f"{name} {value:g}" for name, value in (*metrics.size.items(), *metrics.cost.items()))
    return "\n".join([ending(experiment), *tasks, sizes])


def failures(experiment: Experiment) -> list[str]:
    """Return an experiment's failed attempts, one line each, with what was changed next."""
    return [
        f"{experiment.id} attempt {failure.attempt}: {failure.stage} {failure.reason}: "
        f"{clean_line(failure.message, MESSAGE_CHARACTERS)}"
        + (f"; then: {clean_line(failure.repair, MESSAGE_CHARACTERS)}" if failure.repair else "")
        for failure in experiment.failures
    ]


def all_failures(experiments: Iterable[Experiment]) -> list[str]:
    """Return the failed attempts of several experiments, one line each."""
    return [line for experiment in experiments for line in failures(experiment)]


def _task(metrics: Metrics, name: str) -> str:
    """Return a task's measures and its curve in one line."""
    task = metrics.tasks[name]
    measures = ", ".join(
        f"{measure} {one.value:.4g}" + (f" ± {one.stderr:.2g}" if one.stderr is not None else "")
        for measure, one in task.measures.items()
    )
    curve = thinned([point for point in metrics.curve if point.task == name])
    losses = " ".join(f"{point.step}:{point.loss:.3f}" for point in curve)
    return f"{name} ({task.kind}): {measures}" + (f"; loss by step {losses}" if losses else "")


def thinned(curve: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return at most `CURVE_POINTS` points, evenly spread, the last one included."""
    if len(curve) <= CURVE_POINTS:
        return list(curve)
    last = len(curve) - 1
    return [curve[round(place * last / (CURVE_POINTS - 1))] for place in range(CURVE_POINTS)]
