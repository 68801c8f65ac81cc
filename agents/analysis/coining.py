"""Coining: which formula has proved itself in designs that lacked it, and becomes a unit of the grammar.

The evidence is that of grafts (`agents.search.grafting`): an e-value of their gains against a mean of at most the
campaign's margin, so that looking after every graft costs nothing. A few gains that agree by chance would look sure, so
their spread counts as at least the noise of a seed. The k-th formula that is tried is coined at 1/level with

    level = α / (k (k + 1)),    which adds up to α over all formulas that a campaign will ever try.

So if no formula gains more than the margin, a campaign coins one with probability at most α, if gains are independent.
They are not quite: all grafts of a campaign are trained with one seed, on which a formula may be lucky everywhere. So
hosts differ in several units, and the margin leaves room for a correlation of .1 if formulas are worth nothing. If it
is .3, a campaign with eight such formulas coins one in a quarter of the cases. Each host counts once, at least three
are needed, and a formula with a graft that failed is never coined: a unit has to run wherever it is put.
"""

from collections.abc import Sequence
from math import hypot, sqrt
from statistics import fmean, pstdev

from agents.analysis.evidence.intervals import seed_interval
from agents.analysis.evidence.sequential_test import e_value, e_value_of_ratio
from bus.vocabulary.design_edits import FUNCTION_MARK
from bus.vocabulary.events import UnitCoined
from bus.vocabulary.queries import FormulaRecord, FormulaRecords

ALPHA = 0.05
FEWEST = 3
"""Designs that a formula must have been put into."""
SHARPEST = 10
"""Number of grafts at which the test is sharpest."""
CONFIDENCE = 0.95
NAME_DIGITS = 6
COINING_MARGIN = 0.5
"""The margin of new campaigns, in noises of a seed."""
LEAST_SPREAD = 1.0
"""The least standard deviation of gains that is believed, in the same unit."""


def coined(records: FormulaRecords, margin: float) -> list[tuple[str, UnitCoined]]:
    """Return the formulas that the evidence makes units, each with the experiment that had it first.

    With a margin of 0, as in older logs, the spread of the gains counts as it is.
    """
    place = {unit: number for number, unit in enumerate(records.tried, 1)}
    rows = (row for row in records.rows if row.unit in place and not row.coined)
    found = ((row.experiment, _coinage(row, margin, level_of(place[row.unit]))) for row in rows)
    return [(experiment, event) for experiment, event in found if event]


def level_of(place: int) -> float:
    """Return the error level of the formula that was tried in this place, from 1."""
    return ALPHA / (place * (place + 1))


def _coinage(record: FormulaRecord, margin: float, level: float) -> UnitCoined | None:
    """Return the event if the grafts suffice."""
    ended = [one for one in record.made if one.state != "open"]
    gains = [one.gain for one in ended if one.gain is not None]
    if len(gains) < max(FEWEST, len(ended)):
        return None
    evidence = _evidence(gains, margin)
    if evidence < 1 / level:
        return None
    interval = seed_interval(gains, CONFIDENCE)
    return UnitCoined(
        unit=record.unit,
        name=name_of(record.unit),
        grafts=tuple(one.experiment for one in ended),
        gains=tuple(gains),
        gain=sum(gains) / len(gains),
        low=interval.low,
        high=interval.high,
        evidence=evidence,
        level=level,
    )


def _evidence(gains: Sequence[float], margin: float) -> float:
    """Return the e-value of gains against a mean of at most the margin, and no more than with the least spread."""
    mean, deviation = fmean(gains) - margin, max(pstdev(gains), LEAST_SPREAD)
    if not margin or mean <= 0:
        return e_value(gains, margin, SHARPEST)
    ratio = sqrt(len(gains)) * mean / hypot(mean, deviation)  # Σx / √Σx² of gains with this spread
    return e_value_of_ratio(ratio, len(gains), SHARPEST)


def name_of(unit: str) -> str:
    """Return the short name of a formula `axis:key`: the axis, and the beginning of its fingerprint."""
    axis, _, key = unit.partition(":")
    return f"{axis}-{key.rpartition(FUNCTION_MARK)[2][:NAME_DIGITS]}"
