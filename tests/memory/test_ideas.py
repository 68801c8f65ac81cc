"""The motivation index: which earlier ideas resemble an idea, and how novel each is."""

import json
import random
from collections.abc import Sequence

import numpy as np
import pytest

from bus.vocabulary.queries import (
    Ancestry,
    AskAncestry,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    CognitionEntry,
    Experiments,
    Neighbours,
    Peers,
)
from bus.wire.ids import fingerprint
from memory.queries import Knowledge, answer, handler_for
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


@pytest.fixture
def motivations(scribe: Scribe) -> MotivationIndex:
    """Return the index of a campaign of three proposals."""
    scribe.start(baselines=())
    proposals = (("slow decay", "a = 1"), ("delta rule", "b = 2"), ("slow delta", "c = 3"))
    for slot, (motivation, source) in enumerate(proposals, 1):
        scribe.open(f"e000{slot}", slot)
        scribe.propose(f"e000{slot}", motivation, source)
    return MotivationIndex(scribe.store, HashEmbedder())


class OnePaper:
    """A cognition base of one entry, whose key is the problem of the query."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return the entry."""
        return (CognitionEntry(key=text, title="t", scenario=f"{k} {min_similarity}", algorithm="a", history="h"),)


def neighbours(scribe: Scribe, motivations: MotivationIndex, query: AskNeighbours) -> Neighbours:
    """Ask for neighbours."""
    reply = answer(Knowledge(scribe.store, motivations), query)
    assert isinstance(reply, Neighbours)
    return reply


def ancestry(scribe: Scribe, motivations: MotivationIndex, query: AskAncestry) -> Ancestry:
    """Ask for what an idea starts from."""
    reply = answer(Knowledge(scribe.store, motivations, OnePaper()), query)
    assert isinstance(reply, Ancestry)
    return reply


def test_the_grammar_gets_designs_and_entries_on_the_parents_problem(
    scribe: Scribe, motivations: MotivationIndex
) -> None:
    """No source and no text. Without a parent or its problem, the entries are about the campaign's goal."""
    reply = ancestry(scribe, motivations, AskAncestry(parent="e0001", references=("e0003", "e0009")))
    assert [(row.id, row.source, row.motivation) for row in reply.rows] == [("e0001", "", ""), ("e0003", "", "")]
    assert (reply.started, reply.near) == (scribe.standing().started, ())
    analysed = scribe.finish("e0004", 4)
    for at, parent, problem in ((analysed - 1, "e0004", "g"), (analysed, "e0004", "p"), (analysed, None, "g")):
        query = AskAncestry(parent=parent, at=at)
        assert [entry.key for entry in ancestry(scribe, motivations, query).cognition] == [problem]
        assert handler_for(Knowledge(scribe.store), query).texts() == [problem]


def test_a_model_gets_texts_sources_and_ideas_near_the_parents(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The parent's own idea is not among them."""
    query = AskAncestry(parent="e0003", references=("e0001",), prose=True)
    reply = ancestry(scribe, motivations, query)
    assert [(row.id, row.source, row.motivation) for row in reply.rows] == [
        ("e0001", "a = 1", "slow decay"),
        ("e0003", "c = 3", "slow delta"),
    ]
    assert {row.id for row in reply.near} == {"e0001", "e0002"}
    handler = handler_for(Knowledge(scribe.store), query)
    assert (handler.texts(), handler.motivation_count()) == (["g", "slow delta"], 3)


def test_before_a_campaign_there_is_nothing_to_start_from(scribe: Scribe) -> None:
    """That is no error."""
    assert answer(Knowledge(scribe.store), AskAncestry(parent="e0001")) == Ancestry()


def test_the_nearest_idea_comes_first(scribe: Scribe, motivations: MotivationIndex) -> None:
    """Neighbours come with their motivation and cosine similarity, at most k."""
    rows = neighbours(scribe, motivations, AskNeighbours(text="delta rule", k=2)).rows
    assert [(row.id, row.motivation, row.similarity) for row in rows] == [
        ("e0002", "delta rule", 1.0),
        ("e0003", "slow delta", 0.5),
    ]


def test_equally_near_ideas_come_in_the_order_of_the_log(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The search decides nothing between equals."""
    assert [row.id for row in neighbours(scribe, motivations, AskNeighbours(text="slow", k=5)).rows] == [
        "e0001",
        "e0003",
        "e0002",
    ]


def test_an_identical_source_comes_first_whatever_its_motivation(scribe: Scribe, motivations: MotivationIndex) -> None:
    """Blank space aside; even if its motivation is not similar."""
    rows = neighbours(scribe, motivations, AskNeighbours(text="delta rule", fingerprint=fingerprint("a=1\n"), k=1)).rows
    assert [(row.id, row.same_source) for row in rows] == [("e0001", True)]


def test_an_idea_can_be_left_out(scribe: Scribe, motivations: MotivationIndex) -> None:
    """So that an experiment is no neighbour of itself."""
    rows = neighbours(
        scribe, motivations, AskNeighbours(text="delta rule", fingerprint=fingerprint("b = 2"), exclude="e0002", k=5)
    ).rows
    assert [row.id for row in rows] == ["e0003", "e0001"]


def test_novelty_is_the_distance_to_earlier_ideas(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The novelty of the first idea is 1; later ideas don't change it."""
    for name in ("e0001", "e0002", "e0003"):
        scribe.complete(name)
    reply = answer(Knowledge(scribe.store, motivations), AskExperiments(ids=("e0001", "e0002", "e0003")))
    assert isinstance(reply, Experiments)
    assert [row.novelty for row in reply.rows] == [1.0, 1.0, 0.5]


def test_an_untrained_experiment_has_no_novelty(scribe: Scribe, motivations: MotivationIndex) -> None:
    """So a query about it, such as the engineer's, need not wait for the sentence model."""
    before = scribe.store.position
    scribe.complete("e0001")
    replies = [answer(Knowledge(scribe.store, motivations), AskPeers(experiment="e0001", at=at)) for at in (before, 0)]
    assert [reply.this.novelty for reply in replies if isinstance(reply, Peers)] == [None, 1.0]
    early = AskPeers(experiment="e0001", at=before)
    assert handler_for(Knowledge(scribe.store), early).motivation_count() == 0


def test_a_restart_embeds_nothing_again(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The file has the exact vectors, and their novelty."""
    rows = neighbours(scribe, motivations, AskNeighbours(text="slow", k=5)).rows
    scribe.store.close()
    with Store(scribe.store.path) as again:
        embedder = RecordingEmbedder()
        scribe.store = again
        assert neighbours(scribe, MotivationIndex(again, embedder), AskNeighbours(text="slow", k=5)).rows == rows
        assert embedder.texts == ["slow"]


def test_vectors_of_another_model_are_not_mixed_in(scribe: Scribe, motivations: MotivationIndex) -> None:
    """Another embedder embeds the motivations again."""
    neighbours(scribe, motivations, AskNeighbours(text="slow"))
    scribe.store.close()
    with Store(scribe.store.path) as again:
        other = RecordingEmbedder()
        other.name = "other"
        assert MotivationIndex(again, other).embedded_count(again.read_model.campaign("c")) == 0


def test_the_digest_does_not_depend_on_vectors(scribe: Scribe, motivations: MotivationIndex) -> None:
    """They are derived from the log, not facts of it."""
    before = scribe.store.digest()
    neighbours(scribe, motivations, AskNeighbours(text="slow"))
    assert scribe.store.digest() == before


def test_a_reader_needs_no_model_for_stored_novelty(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The file of a stopped lab has the novelty of every embedded motivation."""
    scribe.complete("e0003")
    neighbours(scribe, motivations, AskNeighbours(text="slow"))
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
