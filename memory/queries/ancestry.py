"""AskAncestry: the experiments that an idea may start from, and knowledge about the problem that it is to solve.

The reader's settings in CampaignStarted say which papers it gets: none without `cognition`; with `max_paper_share`
below 1, papers unlike each other, and none that led a larger share of the proposals so far. A log without these
settings gives the nearest papers.
"""

from collections.abc import Sequence
from typing import Any, cast

from bus.vocabulary.design_edits import design_items
from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskCognition,
    AskNeighbours,
    CognitionEntry,
    Experiment,
    Neighbour,
)
from memory.cognition.searching import searched_text
from memory.queries.cognition import CognitionHandler
from memory.queries.handler import Knowledge, QueryHandler
from memory.queries.neighbours import NeighboursHandler
from memory.state.as_of import as_of
from memory.state.experiment_state import ExperimentState
from memory.views.experiments import design_view, detail_view, full_view

MIN_READ = 3
"""Proposals that may read a paper whatever its share."""


class AncestryHandler(QueryHandler[AskAncestry]):
    """Answers with designs for the grammar or, for a model, with prose too."""

    query_type = AskAncestry
    reads_cognition = True

    def __init__(self, knowledge: Knowledge, query: AskAncestry) -> None:
        """Find the parent."""
        super().__init__(knowledge, query)
        parent = self.campaign.experiments.get(query.parent or "")
        self._parent = parent if parent and parent.opened(self.position) else None
        self._prose = self.reader_has_model(query.reader)
        started = self.campaign.started_as_of(self.position)
        settings = started.roles.get(query.reader, {}) if started else {}
        self._reads_papers = bool(settings.get("cognition", True))
        self._max_paper_share = float(cast("float", settings.get("max_paper_share", 1.0)))

    def texts(self) -> Sequence[str]:
        """Return the problem and, if ideas near it are wanted, the parent's motivation."""
        problem = searched_text(self._problem()) if self._reads_papers else ""
        return [text for text in (problem, self._motivation()) if text]

    def motivation_count(self) -> int:
        """Return the number of all motivations up to the position, if ideas near the parent's are wanted."""
        return self.campaign.proposal_count(self.position) if self._motivation() else 0

    def answer(self) -> Ancestry:
        """Return parent and references, the entries on the problem, and the ideas near the parent's."""
        ids = {self.query.parent or "", *self.query.references}
        ancestors = self.campaign.find_opened(ids, self.position)
        return Ancestry.model_construct(
            started=self.campaign.started_as_of(self.position),
            rows=tuple(self._view(ancestor) for ancestor in ancestors),
            cognition=self._entries(),
            near=self._near(),
            coined=self.campaign.coined_units(self.position),
        )

    def _view(self, experiment: ExperimentState) -> Experiment:
        """Return an ancestor as its reader wants it; a model reads the parent's curves too."""
        if self._prose and experiment is self._parent:
            return full_view(self.knowledge.store, experiment, self.position, None)
        if self._prose:
            return detail_view(self.knowledge.store, experiment, self.position, source=True)
        return design_view(experiment, self.position)

    def _problem(self) -> str:
        """Return the weakness that the parent's analysis named, else the campaign's goal."""
        analysis = as_of(self._parent.analysis, self.position) if self._parent else None
        started = self.campaign.started_as_of(self.position)
        return (analysis.problem if analysis else "") or (started.goal if started else "")

    def _entries(self) -> tuple[CognitionEntry, ...]:
        """Return the entries on the problem, if there is one and the reader reads papers."""
        problem = self._problem() if self._reads_papers else ""
        if not problem:
            return ()
        query = AskCognition(text=problem)
        if self._max_paper_share >= 1 or self.knowledge.cognition is None:
            return CognitionHandler(self.knowledge, query).answer().rows
        present = self._parent_units()

        def accepts(key: str, units: Sequence[str]) -> bool:
            """Refuse a paper over its share and, for the grammar, one whose units the parent has already."""
            return self._is_below_share(key) and (self._prose or not present.issuperset(units))

        return self.knowledge.cognition.diverse(problem, query.k, query.min_similarity, accepts)

    def _is_below_share(self, key: str) -> bool:
        """Return whether one more proposal may read a paper."""
        read, all_read = self.campaign.paper_share(key, self.position)
        return read < max(MIN_READ, self._max_paper_share * all_read)

    def _parent_units(self) -> frozenset[str]:
        """Return the units of the parent's design; a second memory of it counts as `path:memory`."""
        design: dict[str, Any] = (design_view(self._parent, self.position).design if self._parent else None) or {}
        items = design_items(design)
        names = {item.rpartition("/")[2] for group in (items.frame, *items.paths) for item in group}
        kinds = [f"path:{path['kind']}" for path in design.get("paths", ()) if "kind" in path]
        return frozenset({*names, *kinds} - ({"path:memory"} if kinds.count("path:memory") < 2 else set()))

    def _motivation(self) -> str:
        """Return the parent's motivation if ideas near it are wanted, else nothing."""
        proposal = as_of(self._parent.proposal, self.position) if self._parent and self._prose else None
        return proposal.motivation if proposal else ""

    def _near(self) -> tuple[Neighbour, ...]:
        """Return the ideas near the parent's, if they are wanted."""
        motivation, parent = self._motivation(), self.query.parent or ""
        if not motivation:
            return ()
        query = AskNeighbours(campaign=self.campaign.id, at=self.position, text=motivation, exclude=parent)
        return NeighboursHandler(self.knowledge, query).answer().rows
