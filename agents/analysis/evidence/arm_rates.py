"""Which arm of a campaign has found more: per experiment, per hour of runs, and per unit of what models cost.

Finds are counted as a Poisson process: given all finds of two arms, those of one are binomial, and the interval of the
ratio of rates follows from the exact one of the share. For finds per experiment, of which each has at most one, it is
too wide, never too narrow. Each interval stands alone: none is corrected for the number of comparisons.

The arms share one pool: a design of one may descend from designs of another. So this compares who takes the next step
better. Whole searches are compared over several logs (`agents.analysis.evidence.arms`, `move37 law`).

Sources: Przyborowski and Wilenski 1940 (ratio of Poisson rates); Clopper and Pearson 1934 (interval of a share).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bus.vocabulary.queries import ArmResults, ResultsByArm

Find = Literal["screening hits", "discoveries"]
Exposure = Literal["experiment", "hour of runs", "unit of cost"]
Standing = Literal["more", "fewer", "can't be told"]
CONFIDENCE_LEVEL = 0.95
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class RateComparison:
    """The rates of two arms."""

    finds: Find
    """What is counted: screening scores better than the best baseline's, or confirmed discoveries."""
    per: Exposure
    """What it is divided by; a trainer has one core, so an hour of runs is one of a core."""
    ours: str
    """The guided arm; `model` if it is compared with the grammar."""
    our_rate: float
    theirs: str
    """The control arm."""
    their_rate: float
    ratio: float | None
    """Our rate over theirs; None if they found nothing."""
    low: float
    """Lower end of the ratio's interval of 95 %."""
    high: float | None
    """Upper end; None if there is none, because they found nothing."""

    @property
    def standing(self) -> Standing:
        """Whether we find more or fewer, as far as the interval tells."""
        if self.low > 1:
            return "more"
        return "fewer" if self.high is not None and self.high < 1 else "can't be told"

    def sentence(self) -> str:
        """Return the comparison in one line."""
        rates = f"{self.ours} {self.our_rate:.3g}, {self.theirs} {self.their_rate:.3g}"
        upper = "upwards" if self.high is None else f"to {self.high:.2g}"
        times = "no ratio" if self.ratio is None else f"{self.ratio:.2g} times as many"
        ends = f"{times}, 95 % interval {self.low:.2g} {upper}"
        found = self.standing if self.standing == "can't be told" else f"{self.ours} finds {self.standing}"
        return f"{self.finds} per {self.per}: {rates} ({ends}): {found}"


def compare_arms(results: ResultsByArm) -> tuple[RateComparison, ...]:
    """Return the guided arm against every control: for each find and exposure that both have, unless nobody found any.

    Discoveries are counted per experiment alone, since the hours are those of screening.
    """
    rows = {row.arm: row for row in results.rows}
    guided = rows.pop("guided", None)
    return tuple(one for row in rows.values() for one in _comparisons(guided, row)) if guided else ()


def _comparisons(ours: ArmResults, theirs: ArmResults) -> Iterator[RateComparison]:
    """Yield the comparisons of two arms."""
    spent, other = _exposures(ours), _exposures(theirs)
    for per, exposure in spent.items():
        yield from _compared("screening hits", per, (ours, ours.hits, exposure), (theirs, theirs.hits, other[per]))
    found = (ours, ours.confirmed, spent["experiment"]), (theirs, theirs.confirmed, other["experiment"])
    yield from _compared("discoveries", "experiment", *found)


def _exposures(row: ArmResults) -> dict[Exposure, float]:
    """Return what an arm has spent; 0 for what it has not, or what is not known."""
    hours = row.run_seconds / SECONDS_PER_HOUR
    return {"experiment": float(row.opened), "hour of runs": hours, "unit of cost": row.cost or 0.0}


def _compared(
    finds: Find, per: Exposure, ours: tuple[ArmResults, int, float], theirs: tuple[ArmResults, int, float]
) -> Iterator[RateComparison]:
    """Yield one comparison of counts over exposures, or none if a rate is not defined."""
    (row, count, exposure), (other, their_count, their_exposure) = ours, theirs
    if not (count + their_count and exposure and their_exposure):
        return
    scale = their_exposure / exposure
    low, high = share_interval(count, their_count)
    yield RateComparison(
        finds=finds,
        per=per,
        ours="model" if other.arm == "grammar" else row.arm,
        our_rate=count / exposure,
        theirs=other.arm,
        their_rate=their_count / their_exposure,
        ratio=count / their_count * scale if their_count else None,
        low=low / (1 - low) * scale,
        high=high / (1 - high) * scale if high < 1 else None,
    )


def share_interval(ours: int, theirs: int) -> tuple[float, float]:
    """Return the exact 95 % interval of our share of all finds; there is at least one find."""
    from scipy import stats

    interval = stats.binomtest(ours, ours + theirs).proportion_ci(CONFIDENCE_LEVEL, "exact")
    return float(interval.low), float(interval.high)
