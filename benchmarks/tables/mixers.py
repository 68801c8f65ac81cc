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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from pathlib import Path
from statistics import fmean, variance
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.analysis.evidence.rank_statistics import Numbers
from agents.design import Design
from benchmarks.tables.storage import LAB_TEXTS, TABLE, Row, read_table
from lab.researchers.measured import MeasuredDesign

SCREENING = "nano"
TEXT = "text_nats_per_byte"
PRIOR = "prior"
"""Operator of a design that a campaign was handed by an earlier one, whose own row says how it was made."""


@dataclass(frozen=True, slots=True)
class TableMixer:
    """A design of the table."""

    key: str
    """Twelve hex digits that only this design has."""
    design: Design
    stratum: str
    """How it was made: `baseline`, `random`, `formula` or `evolved`."""
    generation: int | None
    """When the plan made it, from 0; None for a design of a campaign."""
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
        """Take rows as they are stored. Raises ValueError if they were scored on several texts: see `load`."""
        texts = {(row["rung"], row["corpus"], row["part"]) for row in rows}
        if len(texts) > len({rung for rung, *_ in texts}):
            raise ValueError(f"rows of several texts can't be compared: {sorted(texts)}; hint: take them by `load`")
        self.rows = [row for row in rows if not row["failed"]]
        self.failed = [row for row in rows if row["failed"]]
        self._runs: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in self.rows:
            self._runs[row["key"], row["rung"]].append(row)

    @cached_property
    def designs(self) -> list[TableMixer]:
        """Every design that completed a run at nano, in the order of the table; those handed on come last."""
        first: dict[str, Row] = {}
        for row in sorted(self.rows, key=lambda row: row["operator"] == PRIOR):
            if row["rung"] == SCREENING:
                first.setdefault(row["key"], row)
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

    def measured(self, measure: str) -> list[MeasuredDesign]:
        """Return every design with its measure at nano over its seeds, less being better."""
        return [MeasuredDesign(one.design, self.values(one.key, measure)) for one in self.designs]

    def replicated(self, measure: str, rung: str = SCREENING) -> dict[str, list[float]]:
        """Return the values over seeds of every design that has several, by key."""
        keys = [key for key, of in self._runs if of == rung]
        return {key: values for key in keys if len(values := self.values(key, measure, rung)) > 1}

    def noise(self, measure: str) -> Noise:
        """Return the noise model of a measure at nano. Raises ValueError if no two designs have several seeds."""
        values = list(self.replicated(measure).values())
        if len(values) < 2:
            raise ValueError("fewer than two designs have several seeds")
        within = sum(variance(one) * (len(one) - 1) for one in values) / sum(len(one) - 1 for one in values)
        spread = variance(map(fmean, values))
        own = max(0.0, spread - within * fmean(1 / len(one) for one in values))
        return Noise(len(values), sqrt(spread), sqrt(within), own / (own + within) if own + within else 0.0)

    def curves(self, task: str, rung: str = SCREENING) -> NDArray[np.float64]:
        """Return the training curves of all runs with the task [runs, readings], in the order of `rows`."""
        return np.array([row[f"{task}_curve"] for row in self.rows if row["rung"] == rung])

    def both_rungs(self, measure: str, cheap: str = SCREENING, costly: str = "micro") -> tuple[Numbers, Numbers]:
        """Return the means of the designs that both rungs have [designs], at the cheap and at the costly one."""
        keys = [key for key, rung in list(self._runs) if rung == costly and self._runs[key, cheap]]
        return tuple(np.array([self.mean(key, measure, rung) for key in keys]) for rung in (cheap, costly))  # type: ignore[return-value]


def load(
    path: Path = TABLE,
    *,
    part: Literal["validation", "sealed"] = "validation",
    texts: Mapping[str, str] = LAB_TEXTS,
) -> Mixers:
    """Return the runs that one part of one text scored at each rung. Raises FileNotFoundError if there is no table.

    Runs on different texts measure different things. `texts` holds the text of each rung: `LAB_TEXTS` is what a lab
    reads today, `EARLIER_TEXTS` what the first runs of the table read (`benchmarks.tables.storage`).
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; hint: python -m benchmarks.tables.make --generations 1, then --pack"
        )
    rows = read_table(path)
    return Mixers([row for row in rows if row["part"] == part and row["corpus"] == texts.get(row["rung"])])


def _design(row: Row) -> Design:
    return Design.from_json(json.loads(row["design"]))
