"""The table of mixers: linear-attention designs as measured by the lab, each with scores, curves and cost.

    from benchmarks.tables import mixers

    table = mixers.load()
    best = min(table.designs, key=lambda one: table.mean(one.key, "text_nats_per_byte"))
    render(best.design).source                     # the PyTorch source of any of them
    table.noise("text_nats_per_byte")              # what one seed is worth

Columns, strata and how it was made: see README.md.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from agents.analysis.evidence.rank_statistics import Numbers, reliability, spread_to_noise
from agents.design import Design
from benchmarks.tables.storage import TABLE, Row, read_table

SCREENING = "nano"
TEXT = "text_nats_per_byte"


@dataclass(frozen=True, slots=True)
class TableMixer:
    """A design of the table."""

    key: str
    """Twelve hex digits that only this design has."""
    design: Design
    stratum: str
    """How it was made: `baseline`, `random`, `formula` or `evolved`."""
    generation: int
    """When it was made, from 0."""
    parent: str
    """Key of the design that it was bred from; empty for none."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of a measure's variance is the seed's, over the designs with several seeds."""

    designs: int
    spread: float
    """Standard deviation of the designs' means, in the measure's unit."""
    noise: float
    """Standard deviation over the seeds of one design, pooled over designs."""
    reliability: float
    """Share of one run's variance that is due to the design."""


class Mixers:
    """The whole table. Failed runs are left out of all scores."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """Take rows as they are stored."""
        self.rows = [row for row in rows if not row["failed"]]
        self.failed = [row for row in rows if row["failed"]]
        self._runs: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            self._runs[row["key"], row["rung"]].append(row)

    @cached_property
    def designs(self) -> list[TableMixer]:
        """Every design that completed a run at nano, in the order in which they were made."""
        first = {row["key"]: row for row in self.rows if row["rung"] == SCREENING}
        return [
            TableMixer(key, _design(row), row["stratum"], row["generation"], row["parent"] or "")
            for key, row in first.items()
        ]

    def values(self, key: str, measure: str, rung: str = SCREENING) -> list[float]:
        """Return a design's measure over its seeds, in their order; empty without a run at that rung."""
        return [row[measure] for row in sorted(self._runs[key, rung], key=lambda row: row["seed"])]

    def mean(self, key: str, measure: str, rung: str = SCREENING) -> float:
        """Return the mean over its seeds. Raises StatisticsError without a run."""
        return fmean(self.values(key, measure, rung))

    def replicated(self, measure: str, rung: str = SCREENING) -> tuple[list[str], Numbers]:
        """Return the keys of the designs with as many seeds as the most replicated, and their values [designs, seeds].

        Designs that failed with one of the seeds are left out.
        """
        runs = {key: self.values(key, measure, rung) for key, of in list(self._runs) if of == rung}
        most = max(map(len, runs.values()), default=0)
        whole = {key: values for key, values in runs.items() if len(values) == most}
        return list(whole), np.array(list(whole.values()))

    def noise(self, measure: str) -> Noise:
        """Return the noise model of a measure at nano. Raises ValueError if no design has several seeds."""
        keys, scores = self.replicated(measure)
        figures = spread_to_noise(scores)
        if figures["noise"] is None or figures["spread"] is None:
            raise ValueError("no design has several seeds")
        return Noise(len(keys), figures["spread"], figures["noise"], reliability(scores) or 0.0)

    def curves(self, task: str, rung: str = SCREENING) -> NDArray[np.float64]:
        """Return the training curves of all runs with the task [runs, readings], in the order of `rows`."""
        return np.array([row[f"{task}_curve"] for row in self.rows if row["rung"] == rung])

    def both_rungs(self, measure: str, cheap: str = SCREENING, costly: str = "micro") -> tuple[Numbers, Numbers]:
        """Return the means of the designs that both rungs have [designs], at the cheap and at the costly one."""
        keys = [key for key, rung in list(self._runs) if rung == costly and self._runs[key, cheap]]
        return tuple(np.array([self.mean(key, measure, rung) for key in keys]) for rung in (cheap, costly))  # type: ignore[return-value]


def load(path: Path = TABLE) -> Mixers:
    """Return the table. Raises FileNotFoundError if there is none."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; hint: python -m benchmarks.tables.make --generations 1, then --pack"
        )
    return Mixers(read_table(path))


def _design(row: Row) -> Design:
    return Design.from_json(json.loads(row["design"]))
