"""The scoreboard of a campaign that has an objective: its analysed experiments, as the unit model scores them.

Entries are in the order of their analyses, so those up to a position of the log are the first `count` ones, and a score
as of a position is a function of those entries alone. Questions mostly follow the log, so the moments of the newest
question are kept and extended; an earlier one takes the sums again. Scores are rounded, so that they do not depend on
the machine that computed them.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from bus.vocabulary.design_edits import DesignItems
from bus.vocabulary.events.objective import TIE
from memory.projections import ObjectiveRow
from memory.scoring.unit_model import Array, Moments, UnitModel, fit, pooled_noise

FLOOR = 0.4
"""Quantile below which a measurement counts as that quantile: the ranking is about the rest."""
DECIMALS = 6
"""Decimals of a score."""
MAX_CACHED = 8
"""Positions whose scores are kept: a few decisions are under way at once."""
FIGURES = ("objective", "runs", "judge", "excess", "opened_seq")
"""Figures of an entry; `excess` is 1 if the design takes more FLOPs than the limit allows, else 0."""
FEWEST = 3
"""With fewer entries than this, scores are the measurements."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An analysed experiment."""

    row: ObjectiveRow
    opened_seq: int
    design: DesignItems | None
    """Items of the design that was trained; None for a source without a design."""
    formulas: Mapping[str, str] = field(default_factory=dict)
    """Keys of its formula units by their items."""


@dataclass(frozen=True, slots=True)
class Standings:
    """Scores as of a position."""

    entries: Sequence[Entry]
    """All entries, later ones too."""
    order: NDArray[np.intp]
    """Indexes of the entries up to the position, best first."""
    values: Array
    """Score of each of them."""
    index: Mapping[str, int]
    """Index of every entry by its experiment."""

    def ranking(self) -> Iterator[str]:
        """Yield the ids of the analysed experiments, best first."""
        return (self.entries[index].row.experiment for index in self.order)

    def score(self, experiment: str) -> float | None:
        """Return an experiment's score; None if it was not analysed yet."""
        index = self.index.get(experiment, len(self.values))
        return float(self.values[index]) if index < len(self.values) else None


@dataclass(slots=True)
class Scoreboard:
    """The entries of a campaign, and the caches of what follows from them."""

    entries: list[Entry] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    """Index of each entry by its experiment."""
    columns: dict[str, int] = field(default_factory=dict)
    """Column of each unit, in the order in which the units first came."""
    formulas: dict[str, str] = field(default_factory=dict)
    """Keys of the formula units, as they were first written, by their items."""
    _units: NDArray[np.float32] = field(default_factory=lambda: np.zeros((64, 64), np.float32))
    """[capacity, capacity]: counts of units by entry and column."""
    _figures: Array = field(default_factory=lambda: np.zeros((64, len(FIGURES))))
    """[capacity, figures]: `FIGURES` of each entry."""
    _repeated: list[tuple[int, Array]] = field(default_factory=list)
    """Index and runs of each entry that has several runs."""
    _read: int = 0
    """Entries that are in these arrays."""
    _moments: Moments = field(default_factory=lambda: Moments.of(np.zeros((0, 0))))
    _standings: OrderedDict[int, Standings] = field(default_factory=OrderedDict)
    """By the number of entries."""

    def add(self, entry: Entry) -> None:
        """Add the newest entry."""
        self.index[entry.row.experiment] = len(self.entries)
        self.entries.append(entry)

    def count(self, position: int) -> int:
        """Count the entries up to a position."""
        return bisect_right(self.entries, position, key=attrgetter("row.seq"))

    def standings(self, position: int, noise: float) -> Standings:
        """Return the scores as of a position; `noise` is the objective's standard deviation over seeds."""
        count = self.count(position)
        if count not in self._standings:
            self._standings[count] = self._score(count, noise)
            while len(self._standings) > MAX_CACHED:
                self._standings.popitem(last=False)
        return self._standings[count]

    def model(self, count: int, noise: float, floor: float) -> UnitModel:
        """Return the unit model of the first `count` entries."""
        units, figures = self.units(count), self._figures[:count]
        kept = self._moments if self._moments.count <= count else Moments.of(np.zeros((0, units.shape[1])))
        moments = kept.extended(units)
        self._moments = max(self._moments, moments, key=attrgetter("count"))
        variance = pooled_noise(noise, [runs for index, runs in self._repeated if index < count])
        return fit(units, figures[:, 0], figures[:, 1], variance, floor=floor, moments=moments)

    def units(self, count: int) -> Array:
        """Return the counts of units [count, D] of the first `count` entries; later entries may have added columns."""
        for index in range(self._read, count):
            self._read_entry(index)
        self._read = max(self._read, count)
        return self._units[:count, : len(self.columns)].astype(np.float64)

    def _read_entry(self, index: int) -> None:
        """Copy an entry into the arrays."""
        entry = self.entries[index]
        row, design = entry.row, entry.design
        items = [item for items in (design.frame, *design.paths) for item in sorted(items)] if design else []
        for item, key in entry.formulas.items():
            self.formulas.setdefault(item, key)
        columns = [self.columns.setdefault(item, len(self.columns)) for item in items]
        if index == len(self._figures):
            self._units = np.pad(self._units, ((0, index), (0, 0)))
            self._figures = np.pad(self._figures, ((0, index), (0, 0)))
        if len(self.columns) > self._units.shape[1]:
            self._units = np.pad(self._units, ((0, 0), (0, len(self.columns))))
        np.add.at(self._units[index], columns, 1)
        runs = max(1, len(row.runs))
        self._figures[index] = row.objective, runs, row.judge, not row.within_limit, entry.opened_seq
        if runs > 1:
            self._repeated.append((index, np.array(row.runs)))

    def _score(self, count: int, noise: float) -> Standings:
        """Return the standings of the first `count` entries; the order is that of `rank_key`, then of the opening."""
        model = self.model(count, noise, FLOOR) if count >= FEWEST else None
        self.units(count)
        measured, _, judge, excess, opened = self._figures[:count].T
        scores = np.round(model.scores if model else measured, DECIMALS)
        order = np.lexsort((opened, -judge, -np.rint(scores / TIE), excess))
        return Standings(self.entries, order, scores, self.index)
