"""How a role is written: pure decisions, questions yielded, facts returned (law 2).

    def decide(self, said: Envelope) -> Decision:
        peers: PeerSet = yield Peers(campaign=said.campaign, experiment=said.experiment, at=said.seq)
        return [Post(said.experiment, AnalysisReady(...))]

The actor (`bus.delivery.actor`) answers the questions, publishes the posts and acknowledges; a test or a replay does
the same with a list. A role holds no state that matters: it may die between any two lines and decide the same again.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from bus.vocabulary.events import Event
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope


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
    def expected_last(self) -> int | None:
        """Position that the newest message on its subject must have, 0 for none; None where any will do."""
        return 0 if self.event.once else self.after


Decision = Generator[Question | Post, Any, Sequence[Post]]
"""Yields questions (is sent their replies) or posts that must be out before it goes on; returns the last posts."""


T = TypeVar("T")
Subdecision = Generator[Question | Post, Any, T]
"""A part of a decision, used with `yield from`: yields what a `Decision` yields and returns a T."""


class Role(Protocol):
    """One kind of decider."""

    name: ClassVar[str]
    """Durable consumer, source and dead letters are named after it."""
    handles: ClassVar[tuple[type[Event], ...]]
    """The events it decides upon."""

    def decide(self, envelope: Envelope) -> Decision:
        """Decide what follows from an event."""
        ...


@runtime_checkable
class SupportsGiveUp(Protocol):
    """A role that knows what follows where it can't decide."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Return what settles the matter without a decision."""
        ...
