"""The Pareto front of a campaign: experiments that no other beats in its measured gains and in cost at once."""

from collections.abc import Sequence
from math import inf

from bus.vocabulary.queries.experiment import Experiment


def pareto_front(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return the experiments that no other dominates, in their order; those without an objective are left out.

    One dominates another if it is at least as good in every task's gain and in FLOPs per token, and better in one.
    """
    points = [(experiment, _point(experiment)) for experiment in experiments if experiment.objective_parts]
    return [one for one, mine in points if not any(_dominates(other, mine) for _, other in points)]


def _point(experiment: Experiment) -> dict[str, float]:
    """Return the gains by task, and the saving of FLOPs, all higher is better; an unknown cost is the worst."""
    assert experiment.objective_parts is not None, f"{experiment.id} has no objective"
    flops = experiment.objective_parts.flops
    return {**experiment.objective_parts.gains, "": -inf if flops is None else -flops}


def _dominates(a: dict[str, float], b: dict[str, float]) -> bool:
    return all(a.get(name, -inf) >= b[name] for name in b) and any(a.get(name, -inf) > b[name] for name in b)
