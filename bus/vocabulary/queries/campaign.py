"""The status of a campaign, and of all of them."""

from typing import ClassVar

from pydantic import JsonValue

from bus.vocabulary.events import CampaignStarted, Record
from bus.vocabulary.queries.query import Query


class CampaignStatus(Record):
    """The status of a campaign as of a position."""

    campaign: str = ""
    """Its id; empty if the log holds no campaign."""
    started: CampaignStarted | None = None
    """The event that started it, with what forks have changed since."""
    paused: bool = False
    """Whether it is paused."""
    finished: bool = False
    """Whether it has ended."""
    last_ending: int = 0
    """Position of its newest CampaignFinished, even if it was resumed since; 0 before the first."""
    stopping: bool = False
    """Whether a person has stopped it since the newest end or resumption, so that its end is due."""
    budget: int = 0
    """Number of experiments to make, baselines not counted, after any change by a person."""
    opened: int = 0
    """Number of slots opened, baselines included."""
    watermark: int = 0
    """The first slot that is not open: all below it are open, and some above it may be."""
    settled: int = 0
    """Number of settled slots: baselines trained or failed, experiments analysed, failed or rejected."""
    unsettled: int = 0
    """Number of experiments that have not ended, people's included."""
    analysed: int = 0
    """Number of experiments with a fitness."""
    failed: int = 0
    """Number of experiments that were given up."""
    rejected: int = 0
    """Number of experiments whose ideas were all rejected."""
    guidance: tuple[str, ...] = ()
    """Steering messages in force, oldest first."""
    founders: tuple[str, ...] = ()
    """Baselines that ideas may start from: proposed, neither failed nor vetoed, in the order of their slots."""
    imported: tuple[str, ...] = ()
    """The 10 best imported experiments by the merit that their histories report, vetoed ones left out."""
    generation: int = 0
    """Generation of the pool."""
    pool: dict[str, JsonValue] = {}
    """State of the search policy as of its newest PoolUpdated."""
    vetoed: tuple[str, ...] = ()
    """Experiments under a veto."""
    ranking: tuple[str, ...] = ()
    """The 50 best experiments now by objective, or by fitness without one: best first, vetoed ones left out."""
    last_seq: int = 0
    """Position in the log that the reply describes."""

    @property
    def starting_points(self) -> tuple[str, ...]:
        """Experiments that ideas may start from while too few are ranked: the founders, then the imported ones."""
        return (*self.founders, *self.imported)

    @property
    def state(self) -> str:
        """Return `finished`, `paused` or `running`."""
        return "finished" if self.finished else "paused" if self.paused else "running"

    @property
    def ended(self) -> int:
        """Number of experiments that have ended, baselines and people's included."""
        return self.analysed + self.failed + self.rejected

    @property
    def total(self) -> int:
        """Number of experiments that there will be: baselines, the budget, and people's so far."""
        opened_by_people = self.ended + self.unsettled - self.opened
        return (len(self.started.baselines) if self.started else 0) + self.budget + max(0, opened_by_people)


class Campaigns(Record):
    """The status of every campaign."""

    rows: tuple[CampaignStatus, ...] = ()
    """Campaigns in the order of their starts."""


class AskCampaigns(Query):
    """Which campaigns does the log hold?"""

    name: ClassVar[str] = "campaigns"
    Reply: ClassVar[type[Record]] = Campaigns


class AskCampaignStatus(Query):
    """What is the status of the campaign?"""

    name: ClassVar[str] = "standing"
    Reply: ClassVar[type[Record]] = CampaignStatus
