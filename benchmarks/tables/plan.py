"""Which designs the table of mixers holds, and which runs each of them gets; pure functions of what was measured.

The table grows by generations of one shape, so that any number of whole ones is a stratified sample:

    share of a generation     stratum     how the design is made
    a fifth                   random      drawn from the whole grammar
    a fifth                   formula     a child of a good design, or a random one, with a formula that nobody wrote
    three fifths              evolved     mutated or crossed from the best of the earlier generations

Random draws alone have no top end: none of 102 was better than the best baseline. The first generation holds the human
baselines too. Every design is trained at nano with seed 0. Of each generation, the best and an even sample of the rest
get two more seeds at nano; half of these get one run at micro.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from agents.design import BASELINES, Design, crossover, draw_design, mutate
from agents.design.equivalence import normal_form
from agents.design.formulas.breeding import vary_formula
from bus.wire.ids import derive

GENERATION = 100
"""Designs of a generation; the baselines come on top of the first."""
STRATA = {"random": 20, "formula": 20, "evolved": 60}
"""Designs of a generation by stratum."""
PARENTS = 20
"""The best designs so far, from which the next generation is bred."""
CROSSOVER_SHARE = 0.25
"""Share of the evolved designs that have two parents."""
REPLICATED = 20
"""Designs of a generation that get more seeds: half of them the best, half evenly from the rest."""
REPLICATION_SEEDS = (1, 2)
TEXT_NOISE, RECALL_NOISE, RECALL_WEIGHT = 0.012, 1.2, 0.5
"""Seed noise of text loss (nats per byte) and of the log of recall loss, and the weight of recall: the objective of
the lab when the table was begun. They stand here so that a later objective breeds the same designs."""


@dataclass(frozen=True, slots=True)
class Member:
    """A design of the table, as it was made."""

    design: Design
    stratum: str
    generation: int | None
    """Number of its generation, from 0; None for a design of a campaign."""
    parent: str = ""
    """Key of the design that it was bred from; empty for none."""

    @property
    def key(self) -> str:
        """Twelve hex digits that only this design has."""
        return design_key(self.design)


@dataclass(frozen=True, slots=True)
class TableRun:
    """One run of a design."""

    member: Member
    rung: str
    seed: int

    @property
    def id(self) -> tuple[str, str, int]:
        """What tells it from every other trial."""
        return self.member.key, self.rung, self.seed


def merit(nats_per_byte: float, recall_log_loss: float) -> float:
    """Return what parents are chosen by, in standard deviations of seed noise; higher is better."""
    return -nats_per_byte / TEXT_NOISE - RECALL_WEIGHT * recall_log_loss / RECALL_NOISE


def design_key(design: Design) -> str:
    """Return the key of a design: a hash of its JSON form, which equal designs share."""
    return derive(json.dumps(design.to_json(), sort_keys=True))[:12]


def breed(generation: int, members: Sequence[Member], merits: Mapping[str, float]) -> list[Member]:
    """Return the members of a generation; `members` are all earlier ones, `merits` theirs by key, higher is better.

    Each draw comes from the generation's number, so the same measurements lead to the same designs.
    """
    rng = Random(derive("mixers", generation))
    taken = {member.key for member in members}
    best = sorted((e for e in members if e.key in merits), key=lambda e: -merits[e.key])[:PARENTS]
    made = [Member(human.design, "baseline", 0) for human in BASELINES.values()] if generation == 0 else []
    taken |= {member.key for member in made}
    for stratum, count in STRATA.items():
        fresh = _new_members(stratum, generation, best, rng, taken)
        made += [next(fresh) for _ in range(count)]
    return made


def _new_members(
    stratum: str, generation: int, best: Sequence[Member], rng: Random, taken: set[str]
) -> Iterator[Member]:
    """Yield designs of a stratum that the table does not hold, in their simplest form."""
    while True:
        parent = rng.choice(best) if best and stratum != "random" else None
        design = normal_form(_draw(stratum, parent, best, rng))
        member = Member(design, stratum, generation, parent.key if parent else "")
        if member.key not in taken:
            taken.add(member.key)
            yield member


def _draw(stratum: str, parent: Member | None, best: Sequence[Member], rng: Random) -> Design:
    start = parent.design if parent else draw_design(rng)
    if stratum == "formula":
        return vary_formula(start, [], rng).design
    if stratum == "evolved" and parent:
        if rng.random() < CROSSOVER_SHARE:
            return crossover(start, rng.choice(best).design, rng).design
        return mutate(start, rng).design
    return start if stratum == "random" else mutate(start, rng).design


def screening(members: Iterable[Member]) -> list[TableRun]:
    """Return the first run of every member."""
    return [TableRun(member, "nano", 0) for member in members]


def replications(members: Sequence[Member], merits: Mapping[str, float]) -> list[TableRun]:
    """Return the further runs of a generation, once its merits are known."""
    ranked = sorted((e for e in members if e.key in merits), key=lambda e: -merits[e.key])
    baselines = [member for member in ranked if member.stratum == "baseline"]
    others = [member for member in ranked if member.stratum != "baseline"]
    best, rest = others[: REPLICATED // 2], others[REPLICATED // 2 :]
    count = min(len(rest), REPLICATED - len(best))
    spread = [rest[(2 * i + 1) * len(rest) // (2 * count)] for i in range(count)]
    seeds = [TableRun(e, "nano", seed) for e in (*baselines, *best, *spread) for seed in REPLICATION_SEEDS]
    return seeds + [TableRun(e, "micro", 0) for e in (*baselines, *best[::2], *spread[::2])]
