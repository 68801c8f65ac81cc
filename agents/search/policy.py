"""The protocol of a search policy: which experiments a slot starts from, in the manner of ask and tell.

A policy is one file of this package with one class. It is pure: it reads the campaign's status and, through further
queries that it yields, whatever memory knows; it draws from the random generator that it is given, and holds nothing.
Its state is folded from events: `tell` returns a new state when an analysis changes it, the director publishes that as
PoolUpdated, and `ask` reads the newest one. So a policy can be replayed, forked, and run by several directors at once.

    class Best(SearchPolicy):
        name, summary = "best", "derives every design from the best one"

        def ask(self, status, state, random):
            yield from ()
            return Suggestion(parent=next(iter(status.ranking), None))

    POLICY = Best
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, Self

from bus.delivery.role import Subdecision
from bus.vocabulary.events import Ranking, Record
from bus.vocabulary.queries import CampaignStatus

State = Mapping[str, Any]
"""A policy's state as JSON; empty before the first PoolUpdated."""


class PolicyParameters(Record):
    """Parameters of a policy. CampaignStarted records every value."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a new experiment starts from."""

    parent: str | None = None
    """Experiment to derive from; None for a design from scratch."""
    references: tuple[str, ...] = ()
    """Experiments to draw on besides the parent."""
    preferences: Mapping[str, float] = field(default_factory=dict)
    """Factors on the chances of operators, by name (`mutate`, `crossover`, `scratch`)."""
    children: int = 1
    """Number of designs to breed, from the parent and from the references, of which one is proposed."""
    ranking: Ranking | None = None
    """How they are ranked; None for the first one."""
    unranked: float = 0.0
    """Chance that the slot takes the first one all the same."""
    restart_below: float = 0.0
    """Expected improvement, in standard deviations of the results, below which the slot ranks designs from scratch."""
    policy: str | None = None
    """The policy that made the suggestion, if this one chooses among several."""
    graft: str | None = None
    """Formula, as `axis:key`, that the design is to get in place of a unit of the parent, and nothing else."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A new state of a policy."""

    generation: int
    """Counts the renewals, from 1."""
    state: Mapping[str, Any]
    """JSON values."""


class SearchPolicy(ABC):
    """Chooses what a slot starts from."""

    name: ClassVar[str]
    """Name in CampaignStarted and on the command line."""
    summary: ClassVar[str]
    """What it does, in a few words that begin with a verb."""
    Parameters: ClassVar[type[PolicyParameters]] = PolicyParameters
    """Its parameters."""

    @classmethod
    def sized_for(cls, experiments: int, baselines: int) -> PolicyParameters:  # noqa: ARG003  (for those that scale)
        """Return parameters that suit a campaign of so many experiments and baselines: by default, the defaults."""
        return cls.Parameters()

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Return the policy with these parameters. Raises ValidationError."""
        return cls(cls.Parameters.model_validate(parameters))

    def __init__(self, parameters: Any) -> None:
        """Choose with parameters of the class `Parameters`."""
        self.parameters = parameters

    def tell(self, status: CampaignStatus, state: State) -> Subdecision[Renewal | None]:  # noqa: ARG002  (the same)
        """Return the new state if the newest analysis changes it, otherwise None: by default, there is no state.

        `status` describes the campaign as of that analysis, `state` is the state before it.
        """
        yield from ()
        return None

    @abstractmethod
    def ask(self, status: CampaignStatus, state: State, random: Random) -> Subdecision[Suggestion]:
        """Return what one new experiment starts from."""


def usable(names: Sequence[str], status: CampaignStatus) -> tuple[str, ...]:
    """Return the experiments that are under no veto, in their order."""
    vetoed = set(status.vetoed)
    return tuple(name for name in names if name not in vetoed)


def draw_ancestors(names: Sequence[str], references: int, random: Random) -> tuple[str | None, tuple[str, ...]]:
    """Return a parent and at most so many references, drawn evenly and without repetition; None of no experiments."""
    drawn = random.sample(names, min(len(names), 1 + references))
    return (drawn[0], tuple(drawn[1:])) if drawn else (None, ())
