"""Which earlier ideas resemble an idea: the vectors of each campaign's motivations, in the order they were proposed.

Vector i of a campaign belongs to its i-th proposal, so "as of a position" is the range of the first so many vectors
and no later one changes an answer. Novelty is worked out once, when a vector is added, against those before it.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Any

import numpy as np

from memory.projections import EmbeddingRow, ProposalRow
from memory.retrieval.embedding import DIMENSIONS, Embedder, Vectors32
from memory.retrieval.nearest import DECIMALS, VECTORS_PER_BLOCK, ExactNearest
from memory.state.campaign_state import CampaignState
from memory.store import Store


class CampaignVectors:
    """The motivations of one campaign."""

    def __init__(self) -> None:
        """Begin empty, on the GPU where FAISS has one."""
        self._vectors = ExactNearest(DIMENSIONS, _on_a_gpu())
        self.novelty: list[float] = []

    def __len__(self) -> int:
        """Count the vectors."""
        return len(self._vectors)

    def add(self, vectors: Vectors32, novelty: Sequence[float] | None = None) -> None:
        """Add vectors [n, 384], with their novelty where it is known from before."""
        first = len(self)
        self._vectors.add(vectors)
        self.novelty += novelty or [self._novelty(vector, first + at) for at, vector in enumerate(vectors)]

    def nearest(self, vector: Vectors32, k: int, count: int) -> list[tuple[int, float]]:
        """Return the k nearest of the first `count` vectors with their cosine similarities, nearest first."""
        return self._vectors.search(vector, k, count)

    def similarity(self, vector: Vectors32, place: int) -> float:
        """Return the cosine similarity to one vector."""
        return self._vectors.similarity(vector, place)

    def _novelty(self, vector: Vectors32, count: int) -> float:
        nearest = self.nearest(vector, 1, count)
        return round(min(1.0, max(0.0, 1.0 - nearest[0][1])), DECIMALS) if nearest else 1.0


class MotivationIndex:
    """What every motivation means; a projection of the proposals like everything else here."""

    def __init__(self, store: Store, embedder: Embedder | None) -> None:
        """Take up what the file holds; without an embedder nothing is added to it."""
        self._store = store
        self._embedder = embedder
        self._shelves: dict[str, CampaignVectors] = {}
        model = embedder.name if embedder else None
        for campaign, course in store.read_model.campaigns.items():
            self._shelve(campaign, _matching(store.embeddings(campaign, model), course.proposals))
        store.release_pages()

    def missing(self, course: CampaignState, limit: int) -> list[ProposalRow]:
        """Return the next proposals whose motivations are not embedded yet, at most `limit`."""
        first = self.embedded(course)
        return course.proposals[first : first + limit]

    def embedded(self, course: CampaignState) -> int:
        """Count the campaign's proposals that are embedded: always the first so many."""
        return len(self._shelf(course))

    def add(self, course: CampaignState, proposals: Sequence[ProposalRow], vectors: Vectors32) -> None:
        """Add the vectors [n, 384] of the next proposals."""
        assert self._embedder is not None, "vectors without an embedder come from the file only"
        shelf = self._shelf(course)
        first = len(shelf)
        assert list(proposals) == course.proposals[first : first + len(proposals)]
        shelf.add(vectors)
        for place, (proposal, vector) in enumerate(zip(proposals, vectors, strict=True), first):
            self._store.keep_embedding(
                EmbeddingRow(
                    proposal.seq,
                    proposal.campaign,
                    proposal.experiment,
                    self._embedder.name,
                    shelf.novelty[place],
                    vector.tobytes(),
                )
            )

    def catch_up(self, course: CampaignState, count: int) -> None:
        """Embed what is missing of the first `count` proposals, waiting for the model."""
        while self._embedder is not None and self.embedded(course) < count:
            proposals = self.missing(course, min(256, count - self.embedded(course)))
            self.add(course, proposals, self._embedder.encode([proposal.motivation for proposal in proposals]))

    def novelty(self, course: CampaignState, proposal: ProposalRow) -> float | None:
        """Return 1 − the highest cosine similarity to an earlier motivation, 1 for the first; None where unknown."""
        place = course.proposal_index(proposal)
        self.catch_up(course, place + 1)
        novelty = self._shelf(course).novelty
        return novelty[place] if place < len(novelty) else None

    def nearest(self, course: CampaignState, text: str, count: int, k: int) -> list[tuple[ProposalRow, float]]:
        """Return the k nearest of the first `count` proposals with their similarities, nearest first."""
        self.catch_up(course, count)
        found = self._shelf(course).nearest(self._vector(text), k, count)
        return [(course.proposals[place], near) for place, near in found]

    def similarity(self, course: CampaignState, text: str, proposal: ProposalRow) -> float:
        """Return the cosine similarity of a text to an embedded motivation."""
        place = course.proposal_index(proposal)
        self.catch_up(course, place + 1)
        return self._shelf(course).similarity(self._vector(text), place)

    def _vector(self, text: str) -> Vectors32:
        if self._embedder is None:
            raise ValueError("ideas are compared by the memory of a running lab")
        return self._embedder.encode([text])[0]

    def _shelf(self, course: CampaignState) -> CampaignVectors:
        if course.campaign not in self._shelves:
            self._shelves[course.campaign] = CampaignVectors()
        return self._shelves[course.campaign]

    def _shelve(self, campaign: str, rows: Iterator[EmbeddingRow]) -> None:
        """Take up vectors that were embedded before."""
        shelf = self._shelves[campaign] = CampaignVectors()
        while some := list(islice(rows, VECTORS_PER_BLOCK)):
            vectors = np.frombuffer(b"".join(row.vector for row in some), np.float32).reshape(-1, DIMENSIONS)
            shelf.add(vectors, [row.novelty for row in some])


def _matching(rows: Iterator[EmbeddingRow], proposals: Sequence[ProposalRow]) -> Iterator[EmbeddingRow]:
    """Yield the rows up to the first that is not the next proposal's."""
    pairs = takewhile(lambda pair: pair[0].seq == pair[1].seq, zip(rows, proposals, strict=False))
    return (row for row, _ in pairs)


def _on_a_gpu() -> Any:
    """Return an empty index of inner products on the GPU, or None where FAISS has none."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        return None
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, faiss.IndexFlatIP(DIMENSIONS))
