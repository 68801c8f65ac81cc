"""Re-discovery: does the search find a formula as good as a published one that its grammar lacks?

    python -m benchmarks.rediscovery [--targets gla-gate,...] [--contenders surrogate,random] [--runs N] [--queries 300]

Three mechanisms are taken out of the grammar in turn: Mamba-2's decay, DeltaNet's write strength and GLA's gate. The
human designs that have one open no campaign, and a person's guidance rules the unit out. So only a formula of the
search's own can take its place. The lab's director, researcher, analyst and memory search (`benchmarks.policies`).

The table is a stand-in for training: a design's loss is that of a simulated landscape, plus `GAP` times the distance of
its formula from the target's function. That is √(1 − R²) of the best fit on sampled inputs by a positive scale and a
shift, for which a formula's learned numbers have room. A formula is as good as the target if this costs at most the
noise of a seed. Real training judges formulas by what they do for a model, and may well prefer another function.
Prints, per target and contender: the share of runs whose best observed design is as good at the end, the median number
of experiments until then, the mean loss from the distance, and the formula that the first run found.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, median

import numpy as np
from typing_extensions import override

from agents.design import BASELINES, Design
from agents.design.formulas.expression import Expression, parse
from agents.design.formulas.keys import formula_of
from agents.design.formulas.known import seed_of
from agents.design.formulas.values import values, variants
from agents.design.formulas.words import in_words
from agents.design.units.unit import is_formula
from agents.search import DEFAULT_POLICY
from benchmarks.policies.campaign import TableCampaign
from benchmarks.policies.mixers import MixerTable
from benchmarks.policies.table import Contender
from bus.vocabulary.events import CampaignStarted
from lab.researchers.landscapes import MEAN_LOSS, SEED_NOISE, simulated_loss
from memory.forecasts.features import tokens

GAP = 0.1
"""Nats per byte that a formula unlike the target costs; the delta rule and convolutions are worth half as much."""


@dataclass(frozen=True)
class Mechanism:
    """A mechanism that is taken out."""

    axis: str
    formula: str
    """Its function."""
    units: tuple[str, ...]
    """Units of the grammar that have it, as `axis:key`."""


TARGETS = {
    "mamba2-decay": Mechanism("decay", "mul(-1,exp(a0),softplus(add(h0,mul(-1,s0))))", ("decay:scalar",)),
    "deltanet-beta": Mechanism("update", "sigmoid(h0)", ("update:delta", "update:delta_wide")),
    "gla-gate": Mechanism("decay", "mul(-0.0625,softplus(c0))", ("decay:channel",)),
}


class TargetTable(MixerTable):
    """A landscape on which a design is the better, the closer its formula is to a target."""

    def __init__(self, target: Mechanism) -> None:
        """Score by the distance to this target."""
        self.target = target

    @override
    def loss(self, design: Design, seed: int) -> float:
        axis = f"{self.target.axis}="
        others = [token for token in tokens(design.to_json()) if axis not in token]
        return MEAN_LOSS + simulated_loss(others, seed) + GAP * self.distance(design)

    def distance(self, design: Design) -> float:
        """Return the distance of the design's nearest formula from the target, in [0, 1]."""
        keys = [path.choices[self.target.axis] for path in design.paths if self.target.axis in path.choices]
        return min((_distance(self.target, key) for key in keys), default=1.0)

    @override
    def start(self, contender: Contender, seed: int, queries: int) -> CampaignStarted:
        started = super().start(contender, seed, queries)
        humans = tuple(name for name in started.baselines if not self._has_target(BASELINES[name].design))
        return started.model_copy(update={"baselines": humans})

    @property
    def guidance(self) -> tuple[str, ...]:
        """What a person asks for at the start: the target's units are ruled out."""
        return tuple(f"not {unit}" for unit in self.target.units)

    def _has_target(self, design: Design) -> bool:
        axis = self.target.axis
        return any(f"{axis}:{path.choices.get(axis)}" in self.target.units for path in design.paths)


@cache
def _distance(target: Mechanism, key: str) -> float:
    """Return the distance of a unit's function from the target's; 1 for a unit without a formula."""
    tree = formula_of(target.axis, key) if is_formula(key) else seed_of(target.axis, key)
    return difference(tree, parse(target.formula)) if tree else 1.0


def difference(tree: Expression, target: Expression) -> float:
    """Return √(1 − R²) of the best fit of one function to another on sampled inputs, by a positive scale and a shift.

    Leaves are exchanged where their names and signs mean nothing, and the least difference counts.
    """
    wanted = np.array(values(target))
    rows = (np.array(values(variant)) for variant in variants(tree))
    correlations = [float(np.corrcoef(row, wanted)[0, 1]) for row in rows if row.std() > 0]
    return math.sqrt(1 - max([0.0, *correlations]) ** 2)


@dataclass(frozen=True)
class Rediscovery:
    """What one campaign found."""

    excess: float
    """Nats per byte that the distance costs the design with the best observed loss."""
    since: float
    """Experiments after which that design was as good as the target for good; infinite if it is not."""
    formula: str
    """The formula in words."""


def search(name: str, contender: str, seed: int, queries: int) -> Rediscovery:
    """Return what a campaign found."""
    target = TARGETS[name]
    table = TargetTable(target)
    designs = TableCampaign(table, Contender.parse(contender), seed, queries, guidance=table.guidance).run()
    best = list(_incumbents(table, designs, seed))
    excesses = [GAP * table.distance(design) for design in best]
    bad = [number for number, excess in enumerate(excesses, 1) if excess > SEED_NOISE]
    since = 1 + max(bad, default=0)
    return Rediscovery(excesses[-1], since if since <= len(best) else math.inf, _formula_in_words(target, best[-1]))


def _incumbents(table: TargetTable, designs: Sequence[Design], seed: int) -> Iterator[Design]:
    """Yield the design with the best observed loss after each experiment."""
    best, least = designs[0], math.inf
    for design in designs:
        if (observed := table.validation(design, seed)) < least:
            best, least = design, observed
        yield best


def _formula_in_words(target: Mechanism, design: Design) -> str:
    keys = [path.choices[target.axis] for path in design.paths if target.axis in path.choices]
    key = min(keys, key=lambda one: _distance(target, one))
    return in_words(formula_of(target.axis, key)) if is_formula(key) else f"{target.axis}:{key}"


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", default=",".join(TARGETS), help="mechanisms that are taken out")
    parser.add_argument("--contenders", default=f"{DEFAULT_POLICY},mutate_best,random", help="policies with settings")
    parser.add_argument("--runs", type=int, default=8, help="campaigns of each, with the seeds 0, 1, ...")
    parser.add_argument("--queries", type=int, default=300, help="experiments of a campaign")
    options = parser.parse_args()
    print("| target | contender | found | experiments, median | nats lost | formula of the first run |")
    print(f"|{' --- |' * 6}")
    for target in options.targets.split(","):
        for contender in options.contenders.split(","):
            runs = [search(target, contender, seed, options.queries) for seed in range(options.runs)]
            found = fmean(run.since < math.inf for run in runs)
            cells = f"{found:.0%} | {median(run.since for run in runs):g} | {fmean(run.excess for run in runs):.3f}"
            print(f"| {target} | `{contender}` | {cells} | {runs[0].formula} |", flush=True)


if __name__ == "__main__":
    main()
