"""What a campaign's experiments amount to: ranks, the best, the baselines' range, the running best. Facts, no pictures.

Fitness is a screening score from one seed; nothing here treats it as more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from bus.vocabulary.queries import Experiment, Status
from bus.wire.ids import BASELINE_PREFIX
from dashboard.markup import clip

WORDS: dict[Status, str] = {
    "queued": "waiting",
    "running": "under way",
    "quarantined": "in quarantine",
    "analysed": "analysed",
    "failed": "given up",
    "rejected": "rejected",
}
"""Statuses as the page spells them."""
SHAPES = {"baseline": "square", "genetic": "circle", "model": "diamond", "human": "triangle", None: "circle"}
"""Mark of each origin, so that no picture tells origins apart by colour alone."""
_NAME = 60
"""Characters shown of a name."""
_UNDECIDED: tuple[Status, ...] = ("running", "quarantined", "queued", "failed", "rejected")


def is_baseline(experiment: Experiment) -> bool:
    """Whether it is a human baseline that the campaign re-entered."""
    return experiment.origin == "baseline" or experiment.id.startswith(BASELINE_PREFIX)


def called(experiment: Experiment) -> str:
    """Return its name, not longer than a line holds, or nothing where the id says it already, as `base-gla` does."""
    return "" if experiment.id.lower().endswith(experiment.name.lower()) else clip(experiment.name, _NAME)


def title(experiment: Experiment) -> str:
    """Return its id and, where that adds something, its name."""
    return f"{experiment.id} {called(experiment)}".strip()


def shape(experiment: Experiment) -> str:
    """Return the mark of its origin."""
    return "square" if is_baseline(experiment) else SHAPES[experiment.origin]


def fitness_of(experiment: Experiment) -> float:
    """Return the fitness of an experiment that is known to have one."""
    assert experiment.fitness is not None, f"{experiment.id} has no fitness"
    return experiment.fitness


@dataclass(frozen=True)
class Scores:
    """A campaign's experiments, in the order they were opened, and what follows from their scores."""

    experiments: Sequence[Experiment]

    @cached_property
    def ranked(self) -> list[Experiment]:
        """Experiments with a fitness, best first, the earlier one first where they are equal."""
        return sorted((e for e in self.experiments if e.fitness is not None), key=lambda e: -fitness_of(e))

    @cached_property
    def ordered(self) -> list[Experiment]:
        """All of them for reading: ranked ones, then those under way, waiting, given up and rejected."""
        others = [e for e in self.experiments if e.fitness is None]
        return self.ranked + [e for status in (*_UNDECIDED, "analysed") for e in others if e.status == status]

    @cached_property
    def rank(self) -> dict[str, int]:
        """Rank by id; experiments that a person vetoed have none."""
        places = count(1)
        return {e.id: next(places) for e in self.ranked if not e.vetoed}

    @cached_property
    def baselines(self) -> list[Experiment]:
        """Baselines with a fitness, best first."""
        return [e for e in self.ranked if is_baseline(e)]

    @cached_property
    def candidates(self) -> list[Experiment]:
        """Everything else with a fitness that was not vetoed, best first."""
        return [e for e in self.ranked if not is_baseline(e) and not e.vetoed]

    @property
    def best_baseline(self) -> Experiment | None:
        """The baseline with the highest fitness."""
        return self.baselines[0] if self.baselines else None

    @property
    def best(self) -> Experiment | None:
        """The candidate with the highest fitness."""
        return self.candidates[0] if self.candidates else None

    @property
    def gain(self) -> float | None:
        """Fitness of the best candidate above that of the best baseline."""
        return self.gain_of(self.best) if self.best else None

    def gain_of(self, experiment: Experiment) -> float | None:
        """Return its fitness above that of the best baseline, None where one of them is missing."""
        if experiment.fitness is None or self.best_baseline is None:
            return None
        return experiment.fitness - fitness_of(self.best_baseline)

    @cached_property
    def running_best(self) -> list[tuple[int, float]]:
        """Place in the order of opening and fitness of every candidate that was better than all before it."""
        records: list[tuple[int, float]] = []
        for place, experiment in enumerate(self.experiments):
            if is_baseline(experiment) or experiment.vetoed or experiment.fitness is None:
                continue
            if not records or experiment.fitness > records[-1][1]:
                records.append((place, experiment.fitness))
        return records

    @cached_property
    def parent(self) -> dict[str, str]:
        """Parent by id, for parents that were opened before their child; that order is what rules out circles."""
        seen: set[str] = set()
        found: dict[str, str] = {}
        for experiment in self.experiments:
            if experiment.parent_id in seen:
                found[experiment.id] = str(experiment.parent_id)
            seen.add(experiment.id)
        return found

    def ancestry(self, experiment: Experiment) -> list[str]:
        """Return the ids from an experiment back to the root it came from, itself included."""
        line = [experiment.id]
        while line[-1] in self.parent:
            line.append(self.parent[line[-1]])
        return line

    def tally(self, status: Status) -> int:
        """Return how many experiments that are no baselines have this status."""
        return sum(e.status == status and not is_baseline(e) for e in self.experiments)

    @cached_property
    def bins(self) -> dict[str, str]:
        """Colour class of each ranked experiment: `f0` for the lowest fifth of them to `f4` for the best fifth."""
        count = len(self.ranked)
        return {e.id: f"f{4 - 5 * place // count}" for place, e in enumerate(self.ranked)}

    def bin(self, experiment: Experiment) -> str:
        """Return the colour class of an experiment, `none` where it has no fitness."""
        return self.bins.get(experiment.id, "none")
