"""Messages of people, which the desk turns into events, and the lab's answers."""

from typing import Literal

from bus.vocabulary.events.base import Event

HumanKind = Literal["steer", "withdraw", "propose", "veto", "restore", "pause", "resume", "stop", "budget", "ask"]
OWNER = "owner"
"""Who speaks with the key that every home has."""


class HumanMessage(Event):
    """A person's message."""

    kind: HumanKind
    """What the person wants."""
    text: str
    """The text; for `budget` the new number of experiments, for `propose` the reason, for `withdraw` some words of the
    steering messages that are meant: empty for the newest one, `all` for all."""
    by: str = OWNER
    """Who spoke, by their key: a person's name, or `owner` for the key that every home has."""
    signature: str = ""
    """Name that the message itself gives; anyone can write it."""
    target: str | None = None
    """The experiment, for `veto` and `restore`."""
    source: str | None = None
    """The architecture, for `propose`."""

    @property
    def speaker(self) -> str:
        """Return who spoke, with the signature if it is another name."""
        return f"{self.by}, signed {self.signature}" if self.signature not in ("", self.by) else self.by


class HumanAnswered(Event):
    """The lab's reply to a person's message, also to one that could not be taken."""

    question: str
    """The person's question, or the message in short."""
    answer: str
    """The lab's answer."""
    to: str
    """Name of the person who asked."""


class Spoken(Event):
    """A message as it arrived on `lab.human.<campaign>.<person>`. It is the desk's input and never in the log."""

    payload: str
    """The text, or JSON as text."""
    by: str = OWNER
    """Who spoke: the subject says it, and the server lets no other key publish there."""
    fault: str = ""
    """Why its bytes are no text; empty if they are."""
