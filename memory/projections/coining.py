"""Rows of formulas that became units."""

from dataclasses import dataclass
from typing import ClassVar

from bus.vocabulary.events import UnitCoined
from memory.rows import Row, projects


@projects(UnitCoined)
@dataclass(frozen=True, slots=True)
class CoinedUnitRow(Row):
    """A formula became a unit."""

    table: ClassVar[str] = "coined_units"

    unit: str
    """The unit, as `axis:key`."""
    name: str
    grafts: tuple[str, ...]
    gain: float
    """Mean gain of the grafts in noises of a seed, with its 95 % interval."""
    low: float
    high: float
