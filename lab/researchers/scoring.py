"""Scores of programs: each is asked in the sandbox, and its designs are valued here.

All programs meet the same landscapes and the same draws. Random search on them, which a gain is measured from, is run
here and once. The program's CPU time is the kernel's count for its process, so a program can't understate it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, stdev
from typing import NamedTuple, Protocol

from agents.meta.evidence import fitness_of
from agents.search.policy import SearchPolicy
from agents.search.programs.faults import ProgramFault
from agents.search.random_designs import RandomDesigns
from bus.vocabulary.events import FamilyFigures, ResearcherEvaluated, Split
from bus.wire.ids import derive, source_hash
from lab.researchers.families import SEEDS_PER_FAMILY, Family
from lab.researchers.table_search import TableSearch

MAX_FAULTS = 3
"""Failed steps of one search that fail the program."""
SHOWN_FAULTS = 5
RANDOM_SEARCHES, RANDOM_DESIGNS = 4, 100
"""Random searches whose mean a gain is measured from, and designs whose spread is its unit."""


class LoadedProgram(Protocol):
    """A program that can be asked."""

    @property
    def policy(self) -> SearchPolicy:
        """Its policy."""
        ...

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that it has taken so far."""
        ...


Loader = Callable[[str], AbstractContextManager[LoadedProgram]]
"""Returns a source as a loaded program, for as long as it is held. Raises ProgramFault."""


class _Yardstick(NamedTuple):
    """What a gain on one landscape is measured by."""

    random: float
    """True value that random search reaches."""
    spread: float
    """Standard deviation of the true values of random designs."""


@dataclass
class Scorer:
    """Evaluates programs on families of landscapes."""

    families: Sequence[Family]
    root: int
    """Determines every seed of the landscapes. No program sees it."""
    load: Loader
    seeds: Mapping[Split, int] = field(default_factory=dict)
    """Landscapes of each family, where they are not SEEDS_PER_FAMILY."""
    _yardsticks: dict[tuple[str, int], _Yardstick] = field(default_factory=dict)

    def evaluate(self, source: str, split: Split) -> ResearcherEvaluated:
        """Run a program on every landscape of a split; a program that fails gets a reason and no fitness."""
        digest, faults = source_hash(source), list[str]()
        try:
            with self.load(source) as program:
                figures = {
                    family.name: self._figures(family, program, faults)
                    for family in self.families
                    if family.split == split
                }
        except ProgramFault as fault:
            shown = tuple(faults[:SHOWN_FAULTS])
            return ResearcherEvaluated(split=split, source_sha256=digest, failed=str(fault), faults=shown)
        return ResearcherEvaluated(
            split=split,
            source_sha256=digest,
            families=figures,
            fitness=round(fitness_of(figures), 6),
            faults=tuple(faults[:SHOWN_FAULTS]),
        )

    def _figures(self, family: Family, program: LoadedProgram, faults: list[str]) -> FamilyFigures:
        """Return a program's figures on a family. Raises ProgramFault if too many of its steps fail."""
        before, failures, gains = program.cpu_seconds, 0, []
        for seed in family.seeds(self.root, self.seeds.get(family.split, SEEDS_PER_FAMILY)):
            search = TableSearch(program.policy, family.landscape, seed, family.designs, max_faults=MAX_FAULTS)
            reached, yardstick = search.run(), self._yardstick(family, seed)
            failures += len(search.faults)
            faults += search.faults
            if len(search.faults) >= MAX_FAULTS:
                raise ProgramFault("too_many_faults", f"{MAX_FAULTS} steps of a search failed; {search.faults[-1]}")
            gains.append(round((yardstick.random - reached) / yardstick.spread, 6))
        spent = round(max(0.0, program.cpu_seconds - before), 3)
        return FamilyFigures(gains=tuple(gains), designs=family.designs, failures=failures, cpu_seconds=spent)

    def _yardstick(self, family: Family, seed: int) -> _Yardstick:
        """Return what gains on a landscape are measured by, found once."""
        key = family.name, seed
        if key not in self._yardsticks:
            landscape, random = family.landscape, Random(derive(family.name, seed, "yardstick"))
            spread = stdev(landscape.test(landscape.space.random(random), seed) for _ in range(RANDOM_DESIGNS))
            policy = RandomDesigns.of({})
            reached = [
                TableSearch(policy, landscape, seed, family.designs, draws=f"random {number}").run()
                for number in range(RANDOM_SEARCHES)
            ]
            self._yardsticks[key] = _Yardstick(fmean(reached), max(spread, 1e-9))
        return self._yardsticks[key]
