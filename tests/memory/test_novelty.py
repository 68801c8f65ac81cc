"""Novelty: how far an idea lies from the nearest earlier one, by structure or by motivation."""

from typing import Any

from bus.vocabulary.queries import AskExperiments, AskPeers, Peers
from memory.queries import Knowledge, answer, handler_for
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from tests.support.scribe import DESIGN, Scribe

DESIGNS: tuple[dict[str, Any] | None, ...] = (DESIGN, DESIGN | {"gate": "none"}, None, DESIGN)
MOTIVATIONS = ("slow decay", "delta rule", "slow delta", "no word of those")


def train(scribe: Scribe, **fields: Any) -> None:
    """Train an experiment for each design and motivation."""
    scribe.start(baselines=(), **fields)
    for number, (design, motivation) in enumerate(zip(DESIGNS, MOTIVATIONS, strict=True), 1):
        scribe.propose(f"e000{number}", motivation, f"x = {number}", design=design)
    for number in range(1, len(DESIGNS) + 1):
        scribe.complete(f"e000{number}")


def novelties(scribe: Scribe, motivations: MotivationIndex | None = None) -> list[float | None]:
    """Ask for the novelty of each experiment."""
    names = (f"e000{number}" for number in range(1, len(DESIGNS) + 1))
    replies = (answer(Knowledge(scribe.store, motivations), AskPeers(experiment=name)) for name in names)
    return [reply.this.novelty for reply in replies if isinstance(reply, Peers)]


def motivation_counts(scribe: Scribe) -> list[int]:
    """Return how many motivations must be embedded for the novelty of each experiment."""
    names = (f"e000{number}" for number in range(1, len(DESIGNS) + 1))
    return [handler_for(Knowledge(scribe.store), AskPeers(experiment=name)).motivation_count() for name in names]


def test_an_idea_with_a_design_is_compared_by_structure(scribe: Scribe) -> None:
    """With the share of its units that differ; an idea without a design by its motivation, with all before it."""
    train(scribe)
    assert novelties(scribe, MotivationIndex(scribe.store, HashEmbedder())) == [1.0, 0.2, 0.5, 0.0]


def test_novelty_by_structure_needs_no_embedding(scribe: Scribe) -> None:
    """So the reader of a stopped lab's file, which has no sentence model, knows it too."""
    train(scribe)
    assert motivation_counts(scribe) == [0, 0, 3, 0]
    assert novelties(scribe) == [1.0, 0.2, None, 0.0]
    designed = AskExperiments(ids=("e0001", "e0002", "e0004"))
    assert handler_for(Knowledge(scribe.store), designed).motivation_count() == 0


def test_a_campaign_may_compare_motivations_alone(scribe: Scribe) -> None:
    """Then a design changes no novelty: 1 for the first idea, and later ideas don't change it."""
    train(scribe, novelty="motivation")
    assert novelties(scribe, MotivationIndex(scribe.store, HashEmbedder())) == [1.0, 1.0, 0.5, 1.0]
    assert motivation_counts(scribe) == [1, 2, 3, 4]
    assert novelties(scribe) == [None] * 4


def test_an_untrained_experiment_has_no_novelty(scribe: Scribe) -> None:
    """So a query about it, such as the engineer's, need not wait for the sentence model."""
    scribe.start(novelty="motivation")
    proposed = scribe.propose("e0001")
    scribe.complete("e0001")
    motivations = MotivationIndex(scribe.store, HashEmbedder())
    queries = [AskPeers(experiment="e0001", at=at) for at in (proposed, 0)]
    replies = [answer(Knowledge(scribe.store, motivations), query) for query in queries]
    assert [reply.this.novelty for reply in replies if isinstance(reply, Peers)] == [None, 1.0]
    assert [handler_for(Knowledge(scribe.store), query).motivation_count() for query in queries] == [0, 1]
