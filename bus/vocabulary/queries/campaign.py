"""Where a campaign stands."""

from typing import ClassVar

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.query import Query


class CampaignStatus(Record):
    """Where a campaign stands."""

    campaign: str = ""
    """Its id; empty where the log holds none."""
    started: CampaignStarted | None = None
    """How it was started."""
    paused: bool = False
    """Whether a person has paused it."""
    finished: bool = False
    """Whether it has ended."""
    last_ending: int = 0
    """Position of its newest ending, whether it was resumed since or not; 0 before the first."""
    stopping: bool = False
    """Whether a person has said stop since the newest ending or resumption: the ending is on its way."""
    budget: int = 0
    """Experiments to make beside the baselines, after any change by a person."""
    opened: int = 0
    """Slots opened so far, baselines included."""
    unbroken: int = 0
    """The first slot that is not open: all below it are, and some above it may be."""
    settled: int = 0
    """Slots that need no more work: baselines trained or failed, experiments analysed, failed or rejected."""
    unsettled: int = 0
    """Experiments not yet terminal, people's included."""
    analysed: int = 0
    """Experiments with a fitness."""
    failed: int = 0
    """Experiments given up."""
    rejected: int = 0
    """Experiments whose ideas were all rejected."""
    guidance: tuple[str, ...] = ()
    """Steering words that stand, oldest first."""
    founders: tuple[str, ...] = ()
    """Baselines that ideas may start from: proposed, neither given up nor vetoed, in the order of their slots."""
    generation: int = 0
    """Renewals of the pool."""
    parents: tuple[str, ...] = ()
    """First tier of the pool as last renewed, vetoed ones left out."""
    references: tuple[str, ...] = ()
    """Second tier of the pool as last renewed, vetoed ones left out."""
    ranking: tuple[str, ...] = ()
    """The 50 best experiments now, best first, vetoed ones left out."""
    last_seq: int = 0
    """Position in the log that memory has read up to."""


class AskStanding(Query):
    """Where does the campaign stand?"""

    name: ClassVar[str] = "standing"
    Reply: ClassVar[type[Record]] = CampaignStatus
