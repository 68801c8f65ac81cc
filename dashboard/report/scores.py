"""What the pages derive from a campaign's experiments: ranks, the best candidate, the baselines, the running best.

Fitness is a screening score from one seed; nothing here treats it as more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from bus.vocabulary.queries import Experiment, Status
from bus.wire.ids import BASELINE_PREFIX
from dashboard.report.markup import clip

STATUS_WORDS: dict[Status, str] = {
    "queued": "waiting",
    "running": "under way",
    "quarantined": "in quarantine",
    "analysed": "analysed",
    "failed": "given up",
    "rejected": "rejected",
    "imported": "imported",
}
"""Words of the page for each status."""
SHAPES = {"baseline": "square", "genetic": "circle", "model": "diamond", "human": "triangle", None: "circle"}
"""Mark of each origin, so that no picture shows origins by colour alone."""
_MAX_NAME_CHARACTERS = 120
"""Characters shown of a name."""
_ORDER_WITHOUT_FITNESS: tuple[Status, ...] = ("running", "quarantined", "queued", "failed", "rejected", "analysed")
"""Reading order, by status, of the experiments that have no fitness."""


def is_baseline(experiment: Experiment) -> bool:
    """Return True if an experiment is a baseline."""
    return experiment.origin == "baseline" or experiment.id.startswith(BASELINE_PREFIX)


def display_name(experiment: Experiment) -> str:
    """Return an experiment's name, clipped; empty if the id already ends with it, as `base-gla` does with `gla`."""
    if experiment.id.lower().endswith(experiment.name.lower()):
        return ""
    return clip(experiment.name, _MAX_NAME_CHARACTERS)


def title(experiment: Experiment) -> str:
    """Return the id of an experiment with its display name."""
    return f"{experiment.id} {display_name(experiment)}".strip()


def shape(experiment: Experiment) -> str:
    """Return the mark of an experiment's origin."""
    return "square" if is_baseline(experiment) else SHAPES[experiment.origin]


def merit_of(experiment: Experiment) -> float:
    """Return what an analysed experiment is ranked by: its score, or its fitness in a campaign without an objective."""
    assert experiment.fitness is not None, f"{experiment.id} has no fitness"
    score = experiment.objective if experiment.score is None else experiment.score
    return experiment.fitness if score is None else score


def further_accuracies(experiment: Experiment) -> dict[str, float]:
    """Return the accuracy on every task other than the two of record, by task."""
    metrics = experiment.metrics
    if metrics is None:
        return {}
    return {
        name: task.measures["accuracy"].value
        for name, task in metrics.tasks.items()
        if name not in {metrics.text_task, metrics.recall_task} and "accuracy" in task.measures
    }


@dataclass(frozen=True)
class Scores:
    """A campaign's experiments, in the order of opening, and the figures derived from their scores."""

    experiments: Sequence[Experiment]

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of all experiments."""
        return frozenset(e.id for e in self.experiments)

    @cached_property
    def ranked(self) -> list[Experiment]:
        """Experiments with a fitness, best first; of equal ones the earlier first."""
        return sorted((e for e in self.experiments if e.fitness is not None), key=lambda e: e.rank_key)

    @cached_property
    def reading_order(self) -> list[Experiment]:
        """All experiments: the ranked ones, then those under way, in quarantine, waiting, given up and rejected."""
        others = [e for e in self.experiments if e.fitness is None]
        return self.ranked + [e for status in _ORDER_WITHOUT_FITNESS for e in others if e.status == status]

    @cached_property
    def rank(self) -> dict[str, int]:
        """Rank by id, from 1; vetoed experiments have no rank."""
        ranks = count(1)
        return {e.id: next(ranks) for e in self.ranked if not e.vetoed}

    @cached_property
    def baselines(self) -> list[Experiment]:
        """Baselines with a fitness, best first."""
        return [e for e in self.ranked if is_baseline(e)]

    @cached_property
    def candidates(self) -> list[Experiment]:
        """Experiments with a fitness that are neither baselines nor vetoed, best first."""
        return [e for e in self.ranked if not is_baseline(e) and not e.vetoed]

    @property
    def best_baseline(self) -> Experiment | None:
        """The baseline that ranks first; vetoed ones do not rank."""
        return next((e for e in self.baselines if not e.vetoed), None)

    @property
    def best(self) -> Experiment | None:
        """The candidate that ranks first."""
        return self.candidates[0] if self.candidates else None

    @cached_property
    def has_objective(self) -> bool:
        """Whether the campaign ranks by an objective, in standard deviations of seed noise, instead of by fitness."""
        return any(e.objective is not None for e in self.experiments)

    @property
    def merit_name(self) -> str:
        """What the experiments are ranked by, in words."""
        return "score in sd of seed noise" if self.has_objective else "fitness"

    @property
    def gain(self) -> float | None:
        """Merit of the best candidate minus that of the best baseline."""
        return self.gain_of(self.best) if self.best else None

    def gain_of(self, experiment: Experiment) -> float | None:
        """Return an experiment's merit minus that of the best baseline, None if one of them is missing."""
        if experiment.fitness is None or self.best_baseline is None:
            return None
        return merit_of(experiment) - merit_of(self.best_baseline)

    @cached_property
    def running_best(self) -> list[tuple[int, float]]:
        """(index in the order of opening, merit) of each candidate that was better than all candidates before it."""
        records: list[tuple[int, float]] = []
        for index, experiment in enumerate(self.experiments):
            if is_baseline(experiment) or experiment.vetoed or experiment.fitness is None:
                continue
            if not records or merit_of(experiment) > records[-1][1]:
                records.append((index, merit_of(experiment)))
        return records

    @cached_property
    def parent(self) -> dict[str, str]:
        """Parent by id; a parent that was opened after its child is left out, so that there are no cycles."""
        opened: set[str] = set()
        parents: dict[str, str] = {}
        for experiment in self.experiments:
            if experiment.parent_id in opened:
                parents[experiment.id] = str(experiment.parent_id)
            opened.add(experiment.id)
        return parents

    def ancestors(self, experiment: Experiment) -> list[str]:
        """Return the ids from an experiment back to its root, itself included."""
        line = [experiment.id]
        while line[-1] in self.parent:
            line.append(self.parent[line[-1]])
        return line

    def count_status(self, status: Status) -> int:
        """Return how many experiments have this status, baselines not counted."""
        return sum(e.status == status and not is_baseline(e) for e in self.experiments)

    @cached_property
    def colour_classes(self) -> dict[str, str]:
        """Colour class by id of each ranked experiment, from `f0` for the worst fifth to `f4` for the best fifth."""
        total = len(self.ranked)
        return {e.id: f"f{4 - 5 * index // total}" for index, e in enumerate(self.ranked)}

    def colour_class(self, experiment: Experiment) -> str:
        """Return the colour class of an experiment, `none` if it has no fitness."""
        return self.colour_classes.get(experiment.id, "none")
