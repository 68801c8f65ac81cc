"""AskNeighbours: the earlier ideas that resemble one, by the units of its design or by the words of its motivation."""

from collections.abc import Sequence
from typing import Any

from bus.vocabulary.queries import AskNeighbours, Neighbour, Neighbours
from memory.projections import ProposalRow
from memory.queries.handler import MotivationSearch, QueryHandler

Comparison = dict[str, Any]
"""The field of a neighbour that was compared, `distance` or `similarity`, with its value."""


class NeighboursHandler(QueryHandler[AskNeighbours]):
    """Answers with the nearest ideas; an idea with the same source comes first, however far it is."""

    query_type = AskNeighbours

    def texts(self) -> Sequence[str]:
        """Return the motivation, unless designs are compared."""
        return (self.query.text,) if self._by_text() else ()

    def motivation_count(self) -> int:
        """Return the number of all motivations up to the position, if motivations are compared."""
        return self._count() if self._by_text() else 0

    def answer(self) -> Neighbours:
        """Return at most k earlier ideas. Raises ValueError if motivations can't be searched."""
        rows = {row.id: row for row in self._rows()}
        rows.pop(self.query.exclude, None)
        return Neighbours(rows=tuple(sorted(rows.values(), key=self._order)[: self.query.k]))

    def _by_text(self) -> bool:
        return bool(self.query.text) and self.query.design is None

    def _count(self) -> int:
        return self.campaign.proposal_count(self.position)

    def _rows(self) -> list[Neighbour]:
        """Return the nearest ideas, and those with the same source."""
        fingerprint = self.query.fingerprint
        same_source = self.campaign.experiments_with_source(fingerprint, self.position) if fingerprint else set[str]()
        rows = [
            _neighbour(proposal, comparison, proposal.experiment in same_source)
            for proposal, comparison in self._nearest()
        ]
        missing = (self.campaign.experiments[name].proposal for name in same_source - {row.id for row in rows})
        return rows + [_neighbour(proposal, self._compare(proposal), True) for proposal in missing if proposal]

    def _nearest(self) -> list[tuple[ProposalRow, Comparison]]:
        """Return the nearest proposals with how near they are; one more if one may have to be left out."""
        k, count = self.query.k + bool(self.query.exclude), self._count()
        if self.query.design is not None:
            designs = self.knowledge.designs.nearest(self.campaign, self.query.design, count, k)
            return [(proposal, {"distance": distance}) for proposal, distance in designs]
        if not self._by_text() or not self.campaign.id:
            return []
        motivations = self._search().nearest(self.campaign, self.query.text, count, k)
        return [(proposal, {"similarity": similarity}) for proposal, similarity in motivations]

    def _compare(self, proposal: ProposalRow) -> Comparison:
        """Return how near one proposal is."""
        if self.query.design is not None:
            return {"distance": self.knowledge.designs.distance(self.query.design, proposal)}
        if not self._by_text():
            return {}
        return {"similarity": self._search().similarity(self.campaign, self.query.text, proposal)}

    def _search(self) -> MotivationSearch:
        if self.knowledge.motivations is None:
            raise ValueError("ideas are compared by the memory of a running lab")
        return self.knowledge.motivations

    def _order(self, row: Neighbour) -> tuple[bool, float, int]:
        """Sort by the same source, then by nearness, then by age."""
        far = row.distance if row.distance is not None else float("inf")
        nearness = -row.similarity if row.similarity is not None else far
        return (not row.same_source, nearness, self.campaign.experiments[row.id].opened_seq)


def _neighbour(proposal: ProposalRow, comparison: Comparison, same_source: bool) -> Neighbour:
    return Neighbour(id=proposal.experiment, motivation=proposal.motivation, same_source=same_source, **comparison)
