"""AskNeighbours: the earlier ideas that resemble a motivation."""

from collections.abc import Sequence

from bus.vocabulary.queries import AskNeighbours, Neighbour, Neighbours
from memory.queries.handler import MotivationSearch, QueryHandler


class NeighboursHandler(QueryHandler[AskNeighbours]):
    """Answers with the nearest ideas; an idea with the same source comes first, whatever its motivation."""

    query_type = AskNeighbours

    def texts(self) -> Sequence[str]:
        """Return the motivation."""
        return (self.query.text,)

    def motivation_count(self) -> int:
        """Return the number of all motivations up to the position."""
        return self.campaign.proposal_count(self.position)

    def answer(self) -> Neighbours:
        """Return at most k earlier ideas. Raises ValueError if motivations can't be searched."""
        if not self.campaign.id:
            return Neighbours(rows=())
        if self.knowledge.motivations is None:
            raise ValueError("ideas are compared by the memory of a running lab")
        same_source = self._same_source()
        similarities = self._similarities(self.knowledge.motivations, same_source)
        similarities.pop(self.query.exclude, None)
        rows = [self._neighbour(each, similarity, each in same_source) for each, similarity in similarities.items()]
        rows.sort(key=lambda row: (not row.same_source, -row.similarity, self.campaign.experiments[row.id].opened_seq))
        return Neighbours(rows=tuple(rows[: self.query.k]))

    def _same_source(self) -> set[str]:
        """Return the experiments that had the same source."""
        fingerprint = self.query.fingerprint
        return self.campaign.same_source(fingerprint, self.position) if fingerprint else set()

    def _similarities(self, search: MotivationSearch, same_source: set[str]) -> dict[str, float]:
        """Return the similarities of the nearest experiments, and of those with the same source."""
        text, count = self.query.text, self.campaign.proposal_count(self.position)
        nearest = search.nearest(self.campaign, text, count, self.query.k + bool(self.query.exclude))
        similarities = {proposal.experiment: similarity for proposal, similarity in nearest}
        for proposal in (self.campaign.experiments[each].proposal for each in same_source - similarities.keys()):
            if proposal is not None:
                similarities[proposal.experiment] = search.similarity(self.campaign, text, proposal)
        return similarities

    def _neighbour(self, experiment_id: str, similarity: float, same_source: bool) -> Neighbour:
        proposal = self.campaign.experiments[experiment_id].proposal
        motivation = proposal.motivation if proposal else ""
        return Neighbour(id=experiment_id, similarity=similarity, motivation=motivation, same_source=same_source)
