"""Unit effects: what each unit of the searched designs is worth, judging by the whole campaign."""

from typing import ClassVar

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query


class UnitEffect(Record):
    """What one unit is worth, compared with what the campaign's designs have in its place on average.

    A kind of path is worth what one more path of it with average units is worth.
    """

    unit: str
    """The unit: `axis:key` in the frame, `kind/axis:key` in a path, `kind/kind:kind` for a path itself. The key of a
    formula is the fingerprint of its function (`bus.vocabulary.design_edits`)."""
    formula: str | None = None
    """The key of the design that had it first, if it is a formula: its text and its fingerprint."""
    designs: int
    """Number of analysed designs that have it."""
    effect: float
    """Expected gain in the objective, in standard deviations of seed noise, by ridge regression."""
    low: float
    """Lower end of its interval of 95 %."""
    high: float
    """Upper end of that interval."""

    @property
    def name(self) -> str:
        """The unit as papers and people name it: `axis:key`, or `path:kind`."""
        kind, _, rest = self.unit.rpartition("/")
        if rest == f"kind:{kind}":
            return f"path:{kind}"
        return f"{rest.partition(':')[0]}:{self.formula}" if self.formula else rest

    @property
    def verdict(self) -> str:
        """`helps` or `hurts` if the interval lies on one side of 0, otherwise `open`."""
        return "helps" if self.low > 0 else "hurts" if self.high < 0 else "open"


class UnitEffects(Record):
    """Effects of all units, the best first."""

    rows: tuple[UnitEffect, ...] = ()
    """One for each unit of an analysed design; none in a campaign without an objective, or with fewer than three
    analyses."""
    analysed: int = 0
    """Number of analysed experiments behind them."""

    def decided(self) -> tuple[UnitEffect, ...]:
        """Return the effects whose interval lies on one side of 0."""
        return tuple(row for row in self.rows if row.verdict != "open")


class AskUnitEffects(Query):
    """What is each unit worth?"""

    name: ClassVar[str] = "effects"
    Reply: ClassVar[type[Record]] = UnitEffects
