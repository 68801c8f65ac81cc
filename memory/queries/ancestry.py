"""AskAncestry: the experiments that an idea may start from, and knowledge about the problem that it is to solve."""

from collections.abc import Sequence

from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskCognition,
    AskNeighbours,
    CognitionEntry,
    Experiment,
    Neighbour,
)
from memory.queries.cognition import CognitionHandler
from memory.queries.handler import Knowledge, QueryHandler
from memory.queries.neighbours import NeighboursHandler
from memory.state.as_of import as_of
from memory.state.experiment_state import ExperimentState
from memory.views.experiments import design_view, detail_view


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

    def texts(self) -> Sequence[str]:
        """Return the problem and, if ideas near it are wanted, the parent's motivation."""
        return [text for text in (self._problem(), self._motivation()) if text]

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
        )

    def _view(self, experiment: ExperimentState) -> Experiment:
        if self._prose:
            return detail_view(self.knowledge.store, experiment, self.position, source=True)
        return design_view(experiment, self.position)

    def _problem(self) -> str:
        """Return the weakness that the parent's analysis named, else the campaign's goal."""
        analysis = as_of(self._parent.analysis, self.position) if self._parent else None
        started = self.campaign.started_as_of(self.position)
        return (analysis.problem if analysis else "") or (started.goal if started else "")

    def _entries(self) -> tuple[CognitionEntry, ...]:
        """Return the entries on the problem, if there is one."""
        problem = self._problem()
        return CognitionHandler(self.knowledge, AskCognition(text=problem)).answer().rows if problem else ()

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
