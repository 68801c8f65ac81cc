"""The formulas of a campaign, and what they did in designs that lacked them."""

from typing import ClassVar, Literal

from bus.vocabulary.events import Record
from bus.vocabulary.queries.query import Query


class Graft(Record):
    """A formula put into a design that lacked it, as the only change."""

    experiment: str
    """The experiment that has it."""
    host: str
    """The one that it was put into."""
    state: Literal["open", "analysed", "failed", "void"]
    """What became of it; void if its slot tried another design, because the lab knew this one or the host did not take
    the formula."""
    gain: float | None = None
    """Its objective less the host's; None unless both are analysed."""


class FormulaRecord(Record):
    """What a campaign has seen of one formula. Formulas of one function are one."""

    unit: str
    """The formula, as `axis:key`."""
    experiment: str
    """The first experiment that had it."""
    parent: str | None = None
    """What that one was bred from."""
    best: float | None = None
    """The highest objective of a design with it; None without one."""
    sources: tuple[str, ...] = ()
    """Fingerprints of the sources of designs with it."""
    grafts: tuple[Graft, ...] = ()
    """In the order of their slots."""
    coined: bool = False
    """Whether it has become a unit."""

    @property
    def made(self) -> tuple[Graft, ...]:
        """The grafts that count as evidence: all but the void ones."""
        return tuple(one for one in self.grafts if one.state != "void")


class FormulaRecords(Record):
    """The formulas of a campaign."""

    rows: tuple[FormulaRecord, ...] = ()
    """In the order in which they first occurred."""
    tried: tuple[str, ...] = ()
    """Units of those that were grafted, in the order of their first grafts."""


class AskFormulas(Query):
    """Which formulas has the campaign bred, and how did they fare where they were put?"""

    name: ClassVar[str] = "formulas"
    Reply: ClassVar[type[Record]] = FormulaRecords
