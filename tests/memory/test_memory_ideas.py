"""Which earlier ideas resemble an idea, and how novel each is."""

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
from memory.answers import answer, motivations_compared, texts_compared
from memory.retrieval.embedding import DIMENSIONS, HashEmbedder, Vectors32
from memory.retrieval.ideas import CampaignVectors, MotivationIndex
from memory.store import Store
from tests.memory.conftest import Scribe


class CountingEmbedder(HashEmbedder):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors32:
        """Embed and remember."""
        self.asked += texts
        return super().encode(texts)


@pytest.fixture
def ideas(scribe: Scribe) -> MotivationIndex:
    """Return the ideas of a campaign of three proposals."""
    scribe.start(baselines=())
    proposals = (("slow decay", "a = 1"), ("delta rule", "b = 2"), ("slow delta", "c = 3"))
    for slot, (motivation, source) in enumerate(proposals, 1):
        scribe.open(f"e000{slot}", slot)
        scribe.propose(f"e000{slot}", motivation, source)
    return MotivationIndex(scribe.store, HashEmbedder())


class OnePaper:
    """A literature of one entry, which is called by the problem that it was asked about."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return it."""
        return (CognitionEntry(key=text, title="t", scenario=f"{k} {min_similarity}", algorithm="a", history="h"),)


def near(scribe: Scribe, ideas: MotivationIndex, query: AskNeighbours) -> Neighbours:
    """Ask for neighbours."""
    reply = answer(scribe.store, ideas, None, query)
    assert isinstance(reply, Neighbours)
    return reply


def ancestry(scribe: Scribe, ideas: MotivationIndex, query: AskAncestry) -> Ancestry:
    """Ask for what an idea starts from."""
    reply = answer(scribe.store, ideas, OnePaper(), query)
    assert isinstance(reply, Ancestry)
    return reply


def test_the_grammar_is_told_designs_and_what_is_known_about_the_parents_problem(
    scribe: Scribe, ideas: MotivationIndex
) -> None:
    """No source and no word; about the campaign's goal before the parent has a problem, or without a parent."""
    found = ancestry(scribe, ideas, AskAncestry(parent="e0001", references=("e0003", "e0009")))
    assert [(row.id, row.source, row.motivation) for row in found.rows] == [("e0001", "", ""), ("e0003", "", "")]
    assert (found.started, found.near) == (scribe.standing().started, ())
    analysed = scribe.live("e0004", 4)
    for at, parent, problem in ((analysed - 1, "e0004", "g"), (analysed, "e0004", "p"), (analysed, None, "g")):
        query = AskAncestry(parent=parent, at=at)
        assert [entry.key for entry in ancestry(scribe, ideas, query).cognition] == [problem]
        assert texts_compared(scribe.store, query) == [problem]


def test_a_model_is_told_words_sources_and_ideas_near_the_parents(scribe: Scribe, ideas: MotivationIndex) -> None:
    """The parent's own idea is not among them."""
    query = AskAncestry(parent="e0003", references=("e0001",), prose=True)
    found = ancestry(scribe, ideas, query)
    assert [(row.id, row.source, row.motivation) for row in found.rows] == [
        ("e0001", "a = 1", "slow decay"),
        ("e0003", "c = 3", "slow delta"),
    ]
    assert {row.id for row in found.near} == {"e0001", "e0002"}
    assert texts_compared(scribe.store, query) == ["g", "slow delta"]
    assert motivations_compared(scribe.store, query)[1] == 3


def test_before_a_campaign_there_is_nothing_to_start_from(scribe: Scribe) -> None:
    """And that is no error."""
    assert answer(scribe.store, None, None, AskAncestry(parent="e0001")) == Ancestry()


def test_the_nearest_idea_comes_first(scribe: Scribe, ideas: MotivationIndex) -> None:
    """Neighbours come with their motivation and cosine similarity, at most k."""
    rows = near(scribe, ideas, AskNeighbours(text="delta rule", k=2)).rows
    assert [(row.id, row.motivation, row.similarity) for row in rows] == [
        ("e0002", "delta rule", 1.0),
        ("e0003", "slow delta", 0.5),
    ]


def test_equally_near_ideas_come_in_the_order_of_the_log(scribe: Scribe, ideas: MotivationIndex) -> None:
    """No accident of the search decides between equals."""
    assert [row.id for row in near(scribe, ideas, AskNeighbours(text="slow", k=5)).rows] == ["e0001", "e0003", "e0002"]


def test_an_identical_source_comes_first_however_it_was_explained(scribe: Scribe, ideas: MotivationIndex) -> None:
    """Blank space aside, the same source is found even where its motivation is far."""
    rows = near(scribe, ideas, AskNeighbours(text="delta rule", fingerprint=fingerprint("a=1\n"), k=1)).rows
    assert [(row.id, row.same_source) for row in rows] == [("e0001", True)]


def test_an_idea_can_be_left_out(scribe: Scribe, ideas: MotivationIndex) -> None:
    """An experiment is no neighbour of itself."""
    rows = near(
        scribe, ideas, AskNeighbours(text="delta rule", fingerprint=fingerprint("b = 2"), exclude="e0002", k=5)
    ).rows
    assert [row.id for row in rows] == ["e0003", "e0001"]


def test_novelty_is_the_distance_to_what_came_before(scribe: Scribe, ideas: MotivationIndex) -> None:
    """The first idea is wholly new; a later one is judged by earlier ones alone."""
    for name in ("e0001", "e0002", "e0003"):
        scribe.complete(name)
    reply = answer(scribe.store, ideas, None, AskExperiments(ids=("e0001", "e0002", "e0003")))
    assert isinstance(reply, Experiments)
    assert [row.novelty for row in reply.rows] == [1.0, 1.0, 0.5]


def test_novelty_is_not_worked_out_before_training_ends(scribe: Scribe, ideas: MotivationIndex) -> None:
    """Who asks earlier, as the engineer does, need not wait for the sentence model."""
    before = scribe.store.position
    scribe.complete("e0001")
    found = [answer(scribe.store, ideas, None, AskPeers(experiment="e0001", at=at)) for at in (before, 0)]
    assert [reply.this.novelty for reply in found if isinstance(reply, Peers)] == [None, 1.0]
    assert motivations_compared(scribe.store, AskPeers(experiment="e0001", at=before))[1] == 0


def test_a_restart_embeds_nothing_again(scribe: Scribe, ideas: MotivationIndex) -> None:
    """Vectors come back from the file, bit by bit, with their novelty."""
    rows = near(scribe, ideas, AskNeighbours(text="slow", k=5)).rows
    scribe.store.close()
    with Store(scribe.store.path) as again:
        embedder = CountingEmbedder()
        scribe.store = again
        assert near(scribe, MotivationIndex(again, embedder), AskNeighbours(text="slow", k=5)).rows == rows
        assert embedder.asked == ["slow"]


def test_vectors_of_another_model_are_not_mixed_in(scribe: Scribe, ideas: MotivationIndex) -> None:
    """A file embedded by one model is embedded again by another."""
    near(scribe, ideas, AskNeighbours(text="slow"))
    scribe.store.close()
    with Store(scribe.store.path) as again:
        other = CountingEmbedder()
        other.name = "other"
        assert MotivationIndex(again, other).embedded(again.read_model.campaign("c")) == 0


def test_the_digest_does_not_hang_on_vectors(scribe: Scribe, ideas: MotivationIndex) -> None:
    """What is worked out from the log is no part of what the log says."""
    before = scribe.store.digest()
    near(scribe, ideas, AskNeighbours(text="slow"))
    assert scribe.store.digest() == before


def test_a_stopped_labs_file_tells_novelty_without_a_model(scribe: Scribe, ideas: MotivationIndex) -> None:
    """A reader needs no embedder for what was worked out before."""
    scribe.complete("e0003")
    near(scribe, ideas, AskNeighbours(text="slow"))
    scribe.store.close()
    with Store(scribe.store.path, read_only=True) as reader:
        reply = answer(reader, MotivationIndex(reader, None), None, AskPeers(experiment="e0003"))
        assert isinstance(reply, Peers)
        assert reply.this.novelty == 0.5


def test_a_search_of_a_prefix_is_exact() -> None:
    """Among the first so many vectors the nearest are found, whatever lies beyond."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((500, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shelf = CampaignVectors()
    shelf.add(vectors)
    for count in (1, 7, 63, 499):
        wanted = np.argsort(-(vectors[:count] @ vectors[499]), kind="stable")[:5]
        assert [place for place, _ in shelf.nearest(vectors[499], 5, count)] == wanted.tolist()


def test_adding_in_batches_gives_the_same_novelty() -> None:
    """Novelty hangs on the order of ideas, not on when they were embedded."""
    texts = [" ".join(random.Random(at).choices(("decay", "delta", "gate", "window"), k=6)) for at in range(40)]
    vectors = HashEmbedder().encode(texts)
    together, apart = CampaignVectors(), CampaignVectors()
    together.add(vectors)
    for vector in vectors:
        apart.add(vector[None])
    assert json.dumps(together.novelty) == json.dumps(apart.novelty)
