"""Messages of people, which the desk turns into events, and the lab's answers."""

from typing import Literal

from bus.vocabulary.events.base import Event

HumanKind = Literal["steer", "propose", "veto", "restore", "pause", "resume", "stop", "budget", "ask"]


class HumanMessage(Event):
    """A person's message."""

    kind: HumanKind
    """What the person wants."""
    text: str
    """The text; for `budget` the new number of experiments, for `propose` the reason."""
    by: str = "human"
    """Name of the person."""
    target: str | None = None
    """The experiment, for `veto` and `restore`."""
    source: str | None = None
    """The architecture, for `propose`."""


class HumanAnswered(Event):
    """The lab's reply to a HumanMessage."""

    question: str
    """The person's question."""
    answer: str
    """The lab's answer."""
    to: str
    """Name of the person who asked."""


class Spoken(Event):
    """A message as it arrived on `lab.human.<campaign>`. It is the desk's input and never in the log."""

    payload: str
    """The text, or JSON as text."""
