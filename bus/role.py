"""How a role is written: pure decisions, questions yielded, facts returned (law 2).

    def decide(self, said: Envelope) -> Decision:
        peers: PeerSet = yield Peers(campaign=said.campaign, experiment=said.experiment, at=said.seq)
        return [Post(said.experiment, AnalysisReady(...))]

The actor (`bus.actor`) answers the questions, publishes the posts and acknowledges; a test or a replay does the same
with a list. A role holds no state that matters: it may die between any two lines and decide the same again.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from bus.envelope import Envelope
from bus.events import Event, Record


@dataclass(frozen=True, slots=True)
class Post:
    """A fact to be said about an experiment (or about the `campaign`)."""

    experiment: str
    event: Event
    after: int | None = None
    """Position of the newest event of its kind that the decision knew of, 0 for none, where a second one upon the same
    knowledge must never be: the stream drops this one if another has been said meanwhile. None where any number may be.
    """

    @property
    def last(self) -> int | None:
        """Position that the newest message on its subject must have, 0 for none; None where any will do."""
        return 0 if self.event.once else self.after


class Question(Record):
    """Something a decision has to know that its event does not say. Its answer is recorded for replays."""

    Reply: ClassVar[type[Record]]
    """What it is answered with."""


class Completion(Question):
    """A question to a language model, answered with text that parses as `schema_name`."""

    instructions: str
    """The system message."""
    prompt: str
    """The user message."""
    schema_name: str
    """Name of the typed answer, a key of `agents.drafts.SCHEMAS`."""


class CompletionReply(Record):
    """A model's typed answer as JSON, or why there is none."""

    body: str = ""
    """JSON text of the answer."""
    error: str = ""
    """One line where no answer could be had; the decision then goes on without a model."""


Completion.Reply = CompletionReply

Decision = Generator[Question | Post, Any, Sequence[Post]]
"""Yields questions (is sent their replies) or posts that must be out before it goes on; returns the last posts."""


class Role(Protocol):
    """One kind of decider."""

    name: ClassVar[str]
    """Durable consumer, source and dead letters are named after it."""
    handles: ClassVar[tuple[type[Event], ...]]
    """The events it decides upon."""

    def decide(self, said: Envelope) -> Decision:
        """Decide what follows from an event."""
        ...


@runtime_checkable
class GivesUp(Protocol):
    """A role that knows what follows where it can't decide."""

    def give_up(self, said: Envelope, reason: str) -> Sequence[Post]:
        """Return what settles the matter without a decision."""
        ...
