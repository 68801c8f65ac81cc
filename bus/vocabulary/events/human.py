"""What people say into the bus, completed and made a fact by the human desk, and what they are answered."""

from typing import Literal

from bus.vocabulary.events.base import Event

HumanKind = Literal["steer", "propose", "veto", "restore", "pause", "resume", "stop", "budget", "ask"]


class HumanMessage(Event):
    """A person's word."""

    kind: HumanKind
    """What is asked of the lab."""
    text: str
    """The words; for `budget` the new number of experiments, for `propose` the reason."""
    by: str = "human"
    """Who said it."""
    target: str | None = None
    """The experiment it is about, for `veto` and its opposite `restore`."""
    source: str | None = None
    """The architecture, for `propose`."""


class HumanAnswered(Event):
    """The lab's reply to a HumanMessage."""

    question: str
    """What was asked."""
    answer: str
    """What memory holds on it."""
    to: str
    """Who asked."""


class Spoken(Event):
    """What arrived on `lab.human.<campaign>`, unread. It is the desk's input and never stands in the log."""

    payload: str
    """The text, or JSON as text."""
