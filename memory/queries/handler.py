"""Query handlers: how memory answers one kind of query, and which embeddings the answer needs first."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from bus.vocabulary.events import Record
from bus.vocabulary.queries import CognitionEntry, Query
from memory.forecasts.index import ForecastIndex
from memory.projections import ProposalRow
from memory.retrieval.designs import DesignIndex
from memory.state.campaign_state import CampaignState
from memory.store import Store


class MotivationSearch(Protocol):
    """Search by meaning over motivations; `memory.retrieval.ideas.MotivationIndex` is the real one."""

    def novelty(self, campaign: CampaignState, proposal: ProposalRow) -> float | None:
        """Return 1 − the highest cosine similarity to an earlier motivation of the campaign; None if unknown."""
        ...

    def nearest(self, campaign: CampaignState, text: str, count: int, k: int) -> list[tuple[ProposalRow, float]]:
        """Return the k nearest of the campaign's first `count` proposals with their similarities, nearest first."""
        ...

    def similarity(self, campaign: CampaignState, text: str, proposal: ProposalRow) -> float:
        """Return the cosine similarity of a text to a motivation."""
        ...


class CognitionSearch(Protocol):
    """Search by meaning over published knowledge; `memory.cognition.CognitionBase` is the real one."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return at most k entries that are similar enough to a problem, nearest first."""
        ...

    def diverse(
        self, text: str, k: int, min_similarity: float, accepts: Callable[[str, Sequence[str]], bool]
    ) -> tuple[CognitionEntry, ...]:
        """Return at most k similar entries that differ from each other; `accepts` judges an entry's key and units."""
        ...


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The sources of answers. A reader of a stopped lab's file has no model, so it may lack the two searches."""

    store: Store
    motivations: MotivationSearch | None = None
    cognition: CognitionSearch | None = None
    designs: DesignIndex = field(default_factory=DesignIndex)
    forecasts: ForecastIndex = field(default_factory=ForecastIndex)


QueryT = TypeVar("QueryT", bound=Query)


class QueryHandler(ABC, Generic[QueryT]):
    """The answer to one query of one kind. It reads memory and changes nothing."""

    query_type: ClassVar[type[Query]]
    """The kind of query that it answers."""
    reads_cognition: ClassVar[bool] = False
    """Whether the cognition base must be embedded before `answer`."""

    def __init__(self, knowledge: Knowledge, query: QueryT) -> None:
        """Take a query about a position that memory has read. If the log lacks its campaign, it gets an empty one."""
        self.knowledge = knowledge
        self.query = query
        self.position = query.at
        campaign = knowledge.store.read_model.find_campaign(query.campaign, query.at)
        self.campaign = campaign or CampaignState("")

    def reader_has_model(self, reader: str) -> bool:
        """Return whether the campaign names a language model for a role: then it reads sources and prose."""
        started = self.campaign.started_as_of(self.position)
        return started is not None and reader in started.models

    def texts(self) -> Sequence[str]:
        """Return the texts that must be embedded before `answer`."""
        return ()

    def motivation_count(self) -> int:
        """Return how many of the campaign's first motivations must be embedded before `answer`."""
        return 0

    def fitting(self) -> Future[Any] | None:
        """Return the fit of a model that must be complete before `answer`, which otherwise blocks until it is."""
        return None

    @abstractmethod
    def answer(self) -> Record:
        """Return the reply. Raises ValueError if the query is about something that is not there."""
