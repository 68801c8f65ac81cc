"""Coining: a formula that helped in several designs becomes a unit of the grammar."""

from typing import ClassVar

from pydantic import Field

from bus.vocabulary.events.base import Event


class UnitCoined(Event):
    """A formula proved itself in designs that lacked it. From now on the search draws it as a unit.

    The event belongs to the experiment that had the formula first.
    """

    once: ClassVar[bool] = True

    unit: str
    """The unit, as `axis:key`; the key of a formula has its text and its fingerprint."""
    name: str
    """Its short name, such as `decay-3d3da0`."""
    grafts: tuple[str, ...]
    """The experiments that got it and nothing else, in the order of their slots."""
    gains: tuple[float, ...]
    """Of each, its objective less that of the design that it was put into, in noises of a seed."""
    gain: float
    """Mean of the gains."""
    low: float
    """Lower end of their 95 % t interval, for one look."""
    high: float
    """Upper end."""
    evidence: float = Field(gt=0)
    """E-value of the gains against a mean of at most the campaign's margin, valid at every look."""
    level: float = Field(gt=0, lt=1)
    """Error level of this formula; it is coined when the evidence reaches 1/level."""
