"""Neighbours: which earlier ideas resemble an idea, by the words of its motivation or by the units of its design."""

from typing import Any

import pytest

from bus.vocabulary.queries import AskNeighbours, Neighbours
from bus.wire.ids import fingerprint
from memory.queries import Knowledge, answer, handler_for
from memory.retrieval.ideas import MotivationIndex
from tests.support.scribe import DESIGN, Scribe


def neighbours(scribe: Scribe, motivations: MotivationIndex, query: AskNeighbours) -> Neighbours:
    """Ask for neighbours."""
    reply = answer(Knowledge(scribe.store, motivations), query)
    assert isinstance(reply, Neighbours)
    return reply


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


@pytest.fixture
def designed(scribe: Scribe) -> Scribe:
    """Return a scribe that has proposed four ideas: at 4, 1 and 1 units from DESIGN, and one without a design."""
    scribe.start(baselines=())
    designs = (DESIGN | {"gate": "none", "paths": []}, None, DESIGN | {"gate": "none"}, DESIGN | {"norm": "none"})
    for number, design in enumerate(designs, 1):
        scribe.propose(f"e000{number}", "the same words", f"x = {number}", design=design)
    return scribe


def by_design(scribe: Scribe, **fields: Any) -> list[tuple[str, int | None]]:
    """Ask memory without a sentence model which ideas are near DESIGN; return their ids and distances."""
    reply = answer(Knowledge(scribe.store), AskNeighbours(design=DESIGN, **fields))
    assert isinstance(reply, Neighbours)
    assert {row.similarity for row in reply.rows} <= {None}
    return [(row.id, row.distance) for row in reply.rows]


def test_designs_are_compared_by_their_units(designed: Scribe) -> None:
    """Nearest first, of equally near ones the earliest. An idea without a design is near none."""
    assert by_design(designed) == [("e0003", 1), ("e0004", 1), ("e0001", 4)]
    assert by_design(designed, k=1) == [("e0003", 1)]


def test_only_designs_up_to_the_position_are_compared(designed: Scribe) -> None:
    """Whatever memory has read and compared since."""
    third = designed.store.position - 1
    assert by_design(designed)[1] == ("e0004", 1)
    assert by_design(designed, at=third) == [("e0003", 1), ("e0001", 4)]


def test_a_design_can_be_left_out(designed: Scribe) -> None:
    """There are k neighbours without it."""
    assert by_design(designed, exclude="e0003", k=2) == [("e0004", 1), ("e0001", 4)]


def test_an_identical_source_comes_first_whatever_its_design(designed: Scribe) -> None:
    """Also if its idea has no design, and so no distance."""
    assert by_design(designed, fingerprint=fingerprint("x=1"), k=2) == [("e0001", 4), ("e0003", 1)]
    assert by_design(designed, fingerprint=fingerprint("x=2"), k=2) == [("e0002", None), ("e0003", 1)]


def test_designs_need_no_sentence_model(designed: Scribe) -> None:
    """A query with a design compares no text, even if it has one; one with neither finds equal sources alone."""
    query = AskNeighbours(design=DESIGN, text="the same words")
    handler = handler_for(Knowledge(designed.store), query)
    assert (handler.texts(), handler.motivation_count()) == ((), 0)
    assert by_design(designed, text="the same words") == by_design(designed)
    bare = answer(Knowledge(designed.store), AskNeighbours(fingerprint=fingerprint("x = 2")))
    assert isinstance(bare, Neighbours)
    assert [(row.id, row.similarity, row.distance, row.same_source) for row in bare.rows] == [
        ("e0002", None, None, True)
    ]


def test_texts_need_every_motivation_up_to_the_position(designed: Scribe) -> None:
    """Those of ideas with a design too. Without a sentence model the query is refused."""
    query = AskNeighbours(text="the same words", at=designed.store.position - 1)
    handler = handler_for(Knowledge(designed.store), query)
    assert (handler.texts(), handler.motivation_count()) == (("the same words",), 3)
    with pytest.raises(ValueError, match=r"^ideas are compared by the memory of a running lab$"):
        handler.answer()
