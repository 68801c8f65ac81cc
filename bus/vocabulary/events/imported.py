"""Experiments that another laboratory made: they come from a history in a file, and nobody here measured them."""

from typing import ClassVar

from pydantic import AwareDatetime

from bus.vocabulary.events.base import Event


class ExperimentImported(Event):
    """An experiment of a foreign history: known from its start, and no work for any role."""

    once: ClassVar[bool] = True

    name: str
    """Short readable name of the design."""
    motivation: str
    """Why it should work, in the history's words."""
    source: str
    """Its source, as the history has it; nothing here has checked or run it."""
    history: str
    """Name of the history: that of its file."""
    foreign_id: str
    """Its id in that history."""
    parent: str | None = None
    """Experiment that it was derived from, by its id in this lab."""
    scores: dict[str, float] = {}
    """Figures that the history reports, by name. They are never compared with measured ones."""
    merit: float | None = None
    """The figure that ranks it among imported experiments, higher is better; None for the last rank."""
    time: AwareDatetime | None = None
    """When it was made, as the history reports it."""
