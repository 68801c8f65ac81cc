"""The motivation index: embeds each motivation once, and knows how novel each is."""

import json
import random
from collections.abc import Sequence

import numpy as np

from bus.vocabulary.queries import AskNeighbours, AskPeers, Neighbours, Peers
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import DIMENSIONS, HashEmbedder, Vectors32
from memory.retrieval.ideas import CampaignVectors, MotivationIndex
from memory.store import Store
from tests.support.scribe import Scribe


class RecordingEmbedder(HashEmbedder):
    """Records the texts that it embeds."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Embed and record."""
        self.texts += texts
        return super().encode(texts)


def near_slow(store: Store, motivations: MotivationIndex) -> Neighbours:
    """Ask for the ideas near a text."""
    reply = answer(Knowledge(store, motivations), AskNeighbours(text="slow"))
    assert isinstance(reply, Neighbours)
    return reply


def test_a_restart_embeds_nothing_again(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The file has the exact vectors, and their novelty; only the text of the query is embedded."""
    before = near_slow(scribe.store, motivations)
    scribe.store.close()
    with Store(scribe.store.path) as again:
        embedder = RecordingEmbedder()
        assert near_slow(again, MotivationIndex(again, embedder)) == before
        assert embedder.texts == ["slow"]


def test_vectors_of_another_model_are_not_mixed_in(scribe: Scribe, motivations: MotivationIndex) -> None:
    """Another embedder embeds the motivations again."""
    near_slow(scribe.store, motivations)
    scribe.store.close()
    with Store(scribe.store.path) as again:
        other = RecordingEmbedder()
        other.name = "other"
        assert MotivationIndex(again, other).embedded_count(again.read_model.campaign("c")) == 0


def test_the_digest_does_not_depend_on_vectors(scribe: Scribe, motivations: MotivationIndex) -> None:
    """They are derived from the log, not facts of it."""
    before = scribe.store.digest()
    near_slow(scribe.store, motivations)
    assert scribe.store.digest() == before


def test_a_reader_needs_no_model_for_stored_novelty(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The file of a stopped lab has the novelty of every embedded motivation."""
    scribe.complete("e0003")
    near_slow(scribe.store, motivations)
    scribe.store.close()
    with Store(scribe.store.path, read_only=True) as reader:
        reply = answer(Knowledge(reader, MotivationIndex(reader, None)), AskPeers(experiment="e0003"))
        assert isinstance(reply, Peers)
        assert reply.this.novelty == 0.5


def test_a_search_of_a_prefix_is_exact() -> None:
    """Later vectors don't matter."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((500, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = CampaignVectors()
    index.add(vectors)
    for count in (1, 7, 63, 499):
        expected = np.argsort(-(vectors[:count] @ vectors[499]), kind="stable")[:5]
        assert [place for place, _ in index.nearest(vectors[499], 5, count)] == expected.tolist()


def test_adding_in_batches_gives_the_same_novelty() -> None:
    """Novelty depends on the order of ideas, not on when they were embedded."""
    texts = [" ".join(random.Random(seed).choices(("decay", "delta", "gate", "window"), k=6)) for seed in range(40)]
    vectors = HashEmbedder().encode(texts)
    together, single = CampaignVectors(), CampaignVectors()
    together.add(vectors)
    for vector in vectors:
        single.add(vector[None])
    assert json.dumps(together.novelty) == json.dumps(single.novelty)
