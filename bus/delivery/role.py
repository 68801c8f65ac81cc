"""Roles as pure decisions: a decision yields questions and returns the events to publish (law 2).

    def decide(self, envelope: Envelope) -> Decision:
        peers: Peers = yield AskPeers(campaign=envelope.campaign, experiment=envelope.experiment, at=envelope.seq)
        return [Post(envelope.experiment, AnalysisReady(...))]

The actor (`bus.delivery.actor`) answers the questions, publishes the posts and acknowledges the message; a test or a
replay does the same with a list. A role holds no state that matters: it may die between any two lines and then decides
the same again.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from bus.vocabulary.events import Event
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Post:
    """An event to publish about an experiment (or about the `campaign`)."""

    experiment: str
    event: Event
    after: int | None = None
    """Position of the newest event of its kind that the decision knew of, 0 for none. The stream refuses this one if
    another has been published since. None if any number of them may be published.
    """

    key: str = ""
    """What its id derives from in place of its ordinal. An account of costly work has one: if a process dies, the next
    one does the work again, and both have taken something."""

    @property
    def expected_last(self) -> int | None:
        """Position that the newest message on its subject must have, 0 for none; None for any."""
        return 0 if self.event.once else self.after


def ordinals(posts: Iterable[Post]) -> Iterator[int | str]:
    """Yield what the id of each post of a decision derives from: its key, or how many posts without one precede it."""
    count = 0
    for post in posts:
        yield post.key or count
        count += not post.key


@dataclass(frozen=True, slots=True)
class Together:
    """Parts of a decision that do not depend on one another; what drives it may run them at the same time.

    It is sent the tuple of their results. A trace has the answers of one part after those of another, as if the parts
    had run in order, so a replay runs them in order. A post of a part needs a key, since its ordinal is not certain.
    """

    parts: "tuple[Subdecision[Any], ...]"


T = TypeVar("T")
Subdecision = Generator[Question | Post | Together, Any, T]
"""A part of a decision, used with `yield from`: yields what a `Decision` yields and returns a T."""
Decision = Subdecision[Sequence[Post]]
"""Yields questions and independent parts (is sent their replies and results), or posts to publish before it goes on;
returns the last posts."""


def together(parts: Iterable[Subdecision[T]]) -> Subdecision[tuple[T, ...]]:
    """Run parts of a decision that do not depend on one another, at the same time if possible; return their results."""
    results: tuple[T, ...] = yield Together(tuple(parts))
    return results


def one_by_one(decision: Subdecision[T]) -> Generator[Question | Post, Any, T]:
    """Run a decision whose independent parts follow one another, for a driver that has every reply at once."""
    reply: Any = None
    try:
        while True:
            step = decision.send(reply)
            if isinstance(step, Together):
                results = list[Any]()
                for part in step.parts:
                    results.append((yield from one_by_one(part)))
                reply = tuple(results)
            else:
                reply = yield step
    except StopIteration as stop:
        return stop.value


class Role(Protocol):
    """One kind of decider. Its declaration is a `bus.delivery.role_spec.RoleSpec`."""

    def decide(self, envelope: Envelope) -> Decision:
        """Decide what follows from an event."""
        ...


@runtime_checkable
class SupportsGiveUp(Protocol):
    """A role that knows what to publish if it can't decide."""

    def give_up(self, envelope: Envelope, reason: str) -> Sequence[Post]:
        """Return what settles the matter without a decision."""
        ...
