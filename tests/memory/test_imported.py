"""Imported experiments in memory: known and comparable as ideas, ranked apart, and never work or a result."""

from typing import Any

import pytest

from bus.vocabulary.events import ExperimentImported, HumanMessage
from bus.vocabulary.queries import AskAncestry, AskNeighbours, Neighbours
from bus.wire.ids import fingerprint
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from tests.support.scribe import Scribe

SOURCE = "class Mixer: pass"


def imported(merit: float | None = 0.9, source: str = SOURCE, **fields: Any) -> ExperimentImported:
    """Return an experiment of a foreign history."""
    scores = {} if merit is None else {"score": merit}
    values: dict[str, Any] = {"name": "n", "motivation": "slow decay", "source": source, "history": "h.jsonl"}
    return ExperimentImported(**values | {"foreign_id": "7", "scores": scores, "merit": merit} | fields)


@pytest.fixture
def history(scribe: Scribe) -> Scribe:
    """A campaign with one analysed experiment of fitness 0.5 and three imported ones."""
    scribe.start(baselines=())
    scribe.write("i-a", imported(0.2, "a = 1", parent="i-b"))
    scribe.write("i-b", imported(99.0))
    scribe.write("i-c", imported(None, "c = 1"))
    scribe.finish("e0001", 0)
    return scribe


def test_imported_experiments_are_ranked_apart(history: Scribe) -> None:
    """The best merit is first, none is last; the ranking of measured experiments has none of them."""
    assert history.status().imported == ("i-b", "i-a", "i-c")
    assert history.status().ranking == ("e0001",)


def test_an_imported_experiment_has_no_measured_figure(history: Scribe) -> None:
    """What its history reports is in a record of its own."""
    row = history.experiment("i-b")
    assert (row.status, row.origin, row.source) == ("imported", "imported", SOURCE)
    assert (row.fitness, row.parts, row.metrics, row.parameters) == (None, None, None, None)
    assert row.imported is not None
    assert (row.imported.scores, row.imported.merit, row.imported.foreign_id) == ({"score": 99.0}, 99.0, "7")


def test_nothing_waits_for_an_imported_experiment(history: Scribe) -> None:
    """It is neither open nor counted as an end of the campaign's own."""
    status = history.status()
    assert (status.unsettled, status.opened, status.analysed, status.failed, status.rejected) == (0, 1, 1, 0, 0)


def test_the_ranking_at_an_earlier_position_has_no_later_import(history: Scribe) -> None:
    """Position 2 is the first import."""
    assert history.status(at=2).imported == ("i-a",)


def test_a_veto_takes_an_imported_experiment_out(history: Scribe) -> None:
    """Ideas no longer start from it."""
    history.write("campaign", HumanMessage(kind="veto", text="", target="i-b"))
    assert history.status().imported == ("i-a", "i-c")


def test_an_import_changes_no_experiment_that_exists(history: Scribe) -> None:
    """The first event on a matter stands."""
    history.open("e0002", 1)
    history.propose("e0002")
    history.write("e0002", imported())
    row = history.experiment("e0002")
    assert (row.status, row.origin, row.imported) == ("queued", "genetic", None)


def test_ideas_are_compared_with_imported_ones(history: Scribe) -> None:
    """By source, and by motivation as any earlier idea."""
    knowledge = Knowledge(history.store, MotivationIndex(history.store, HashEmbedder()))
    reply = answer(knowledge, AskNeighbours(text="slow decay", fingerprint=fingerprint(SOURCE), k=3))
    assert isinstance(reply, Neighbours)
    assert [(row.id, row.same_source, row.similarity) for row in reply.rows[:2]] == [
        ("i-b", True, 1.0),
        ("i-a", False, 1.0),
    ]


def test_a_model_reads_an_imported_parent(scribe: Scribe) -> None:
    """Its source and its motivation are in the answer about ancestors."""
    scribe.start(baselines=(), goal="", models={"researcher": "qwen"})
    scribe.write("i-b", imported())
    knowledge = Knowledge(scribe.store, MotivationIndex(scribe.store, HashEmbedder()))
    reply = answer(knowledge, AskAncestry(parent="i-b", reader="researcher"))
    assert [row.source for row in reply.rows] == [SOURCE]  # type: ignore[attr-defined]


def test_a_reopened_store_knows_the_same(history: Scribe) -> None:
    """The rows in the file hold everything."""
    path, before = history.store.path, history.experiment("i-b")
    history.store.close()
    with type(history.store)(path) as store:
        again = Scribe(store)
        assert again.experiment("i-b") == before
        assert again.status().imported == ("i-b", "i-a", "i-c")
