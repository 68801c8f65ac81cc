"""The motivation index: the embeddings of each campaign's motivations, in the order they were proposed.

Vector i of a campaign belongs to its i-th proposal. So "as of a position" means the first so many vectors, and no later
vector changes an answer. Novelty is computed once, when a vector is added, against the vectors before it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Any

import numpy as np

from memory.projections import EmbeddingRow, ProposalRow
from memory.retrieval.embedding import DIMENSIONS, Embedder, Vectors32
from memory.retrieval.nearest import DECIMALS, VECTORS_PER_BLOCK, ExactNearest
from memory.state.campaign_state import CampaignState
from memory.store import Store

CATCH_UP_BATCH = 256
"""Motivations that `catch_up` embeds in one go."""


class CampaignVectors:
    """The embedded motivations of one campaign."""

    def __init__(self) -> None:
        """Begin empty, on the GPU if FAISS has one."""
        self._vectors = ExactNearest(DIMENSIONS, _gpu_index())
        self.novelty: list[float] = []
        """The novelty of each."""

    def __len__(self) -> int:
        """Count the vectors."""
        return len(self._vectors)

    def add(self, vectors: Vectors32, novelty: Sequence[float] | None = None) -> None:
        """Add vectors [n, 384], with their novelty if it was stored."""
        first = len(self)
        self._vectors.add(vectors)
        self.novelty += novelty or [self._novelty(vector, first + index) for index, vector in enumerate(vectors)]

    def nearest(self, vector: Vectors32, k: int, count: int) -> list[tuple[int, float]]:
        """Return the k nearest of the first `count` vectors with their cosine similarities, nearest first."""
        return self._vectors.search(vector, k, count)

    def similarity(self, vector: Vectors32, index: int) -> float:
        """Return the cosine similarity of a vector to the one at an index."""
        return self._vectors.similarity(vector, index)

    def _novelty(self, vector: Vectors32, count: int) -> float:
        nearest = self.nearest(vector, 1, count)
        return round(min(1.0, max(0.0, 1.0 - nearest[0][1])), DECIMALS) if nearest else 1.0


class MotivationIndex:
    """The embedded motivations of every campaign: a projection of the proposals, stored as EmbeddingRows."""

    def __init__(self, store: Store, embedder: Embedder | None) -> None:
        """Restore the vectors in the file; without an embedder, take those of any and add none."""
        self._store = store
        self._embedder = embedder
        self._campaigns: defaultdict[str, CampaignVectors] = defaultdict(CampaignVectors)
        model = embedder.name if embedder else None
        for campaign in store.read_model.campaigns.values():
            self._restore(campaign, store.embeddings(campaign.id, model))
        store.release_pages()

    def missing(self, campaign: CampaignState, limit: int) -> list[ProposalRow]:
        """Return the next proposals whose motivations are not embedded yet, at most `limit`."""
        first = self.embedded_count(campaign)
        return campaign.proposals[first : first + limit]

    def embedded_count(self, campaign: CampaignState) -> int:
        """Count the campaign's embedded proposals: always its first ones."""
        return len(self._campaigns[campaign.id])

    def add(self, campaign: CampaignState, proposals: Sequence[ProposalRow], vectors: Vectors32) -> None:
        """Add the vectors [n, 384] of the next proposals."""
        assert self._embedder is not None, "without an embedder, vectors come from the file only"
        embedded = self._campaigns[campaign.id]
        first = len(embedded)
        assert list(proposals) == campaign.proposals[first : first + len(proposals)]
        embedded.add(vectors)
        for index, (proposal, vector) in enumerate(zip(proposals, vectors, strict=True), first):
            place = (proposal.seq, proposal.campaign, proposal.experiment)
            novelty = embedded.novelty[index]
            self._store.keep_embedding(EmbeddingRow(*place, self._embedder.name, novelty, vector.tobytes()))

    def catch_up(self, campaign: CampaignState, count: int) -> None:
        """Embed the missing ones of the first `count` proposals, waiting for the model."""
        while self._embedder is not None and self.embedded_count(campaign) < count:
            proposals = self.missing(campaign, min(CATCH_UP_BATCH, count - self.embedded_count(campaign)))
            self.add(campaign, proposals, self._embedder.encode([proposal.motivation for proposal in proposals]))

    def novelty(self, campaign: CampaignState, proposal: ProposalRow) -> float | None:
        """Return 1 − the highest cosine similarity to an earlier motivation, 1 for the first; None if unknown."""
        index = campaign.proposal_index(proposal)
        self.catch_up(campaign, index + 1)
        novelty = self._campaigns[campaign.id].novelty
        return novelty[index] if index < len(novelty) else None

    def nearest(self, campaign: CampaignState, text: str, count: int, k: int) -> list[tuple[ProposalRow, float]]:
        """Return the k nearest of the first `count` proposals with their similarities, nearest first.

        Raises ValueError without an embedder.
        """
        self.catch_up(campaign, count)
        nearest = self._campaigns[campaign.id].nearest(self._vector(text), k, count)
        return [(campaign.proposals[index], similarity) for index, similarity in nearest]

    def similarity(self, campaign: CampaignState, text: str, proposal: ProposalRow) -> float:
        """Return the cosine similarity of a text to a motivation. Raises ValueError without an embedder."""
        index = campaign.proposal_index(proposal)
        self.catch_up(campaign, index + 1)
        return self._campaigns[campaign.id].similarity(self._vector(text), index)

    def _vector(self, text: str) -> Vectors32:
        if self._embedder is None:
            raise ValueError("ideas are compared by the memory of a running lab")
        return self._embedder.encode([text])[0]

    def _restore(self, campaign: CampaignState, stored: Iterator[EmbeddingRow]) -> None:
        """Take vectors from the file, up to the first that is not the next proposal's."""
        pairs = zip(stored, campaign.proposals, strict=False)
        rows = (row for row, _ in takewhile(lambda pair: pair[0].seq == pair[1].seq, pairs))
        while block := list(islice(rows, VECTORS_PER_BLOCK)):
            vectors = np.frombuffer(b"".join(row.vector for row in block), np.float32).reshape(-1, DIMENSIONS)
            self._campaigns[campaign.id].add(vectors, [row.novelty for row in block])


def _gpu_index() -> Any:
    """Return an empty index of inner products on the GPU, or None if FAISS has none."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        return None
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, faiss.IndexFlatIP(DIMENSIONS))
