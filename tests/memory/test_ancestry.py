"""What an idea may start from: designs for the grammar, sources and prose for a language model."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from bus.vocabulary.events import CodeRevised, CurvePoint
from bus.vocabulary.queries import Ancestry, AskAncestry, CognitionEntry, Experiment
from memory.queries import Knowledge, answer, handler_for
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store
from tests.support.scribe import Scribe


class OnePaper:
    """A cognition base of one entry, whose key is the problem of the query."""

    def nearest(self, text: str, k: int, min_similarity: float) -> tuple[CognitionEntry, ...]:
        """Return the entry."""
        return (CognitionEntry(key=text, title="t", scenario=f"{k} {min_similarity}", algorithm="a", history="h"),)

    def diverse(
        self, text: str, k: int, min_similarity: float, accepts: Callable[[str, Sequence[str]], bool]
    ) -> tuple[CognitionEntry, ...]:
        """Return the entry if it is accepted with one unit."""
        return self.nearest(text, k, min_similarity) if accepts(text, ["gate:silu"]) else ()


def ancestry(scribe: Scribe, motivations: MotivationIndex, query: AskAncestry) -> Ancestry:
    """Ask for what an idea starts from."""
    reply = answer(Knowledge(scribe.store, motivations, OnePaper()), query)
    assert isinstance(reply, Ancestry)
    return reply


def test_the_grammar_gets_designs(scribe: Scribe) -> None:
    """Of the newest attempt, also if a repair changed it; nothing else of the experiments but id and status."""
    scribe.start(baselines=())
    scribe.open("e0001", 1)
    proposed = scribe.propose("e0001", design={"gate": "silu"})
    scribe.write("e0001", CodeRevised(attempt=1, source="y", change="c", repaired_by="rules", design={"gate": "none"}))
    replies = [
        answer(Knowledge(scribe.store, cognition=OnePaper()), AskAncestry(parent="e0001", at=at))
        for at in (proposed, 0)
    ]
    rows = [reply.rows for reply in replies if isinstance(reply, Ancestry)]
    assert rows == [(Experiment(id="e0001", status="queued", design={"gate": gate}),) for gate in ("silu", "none")]


def test_the_grammar_gets_entries_on_the_parents_problem(scribe: Scribe, motivations: MotivationIndex) -> None:
    """No source and no text. Without a parent or its problem, the entries are about the campaign's goal."""
    reply = ancestry(scribe, motivations, AskAncestry(parent="e0001", references=("e0003", "e0009")))
    assert [(row.id, row.source, row.motivation) for row in reply.rows] == [("e0001", "", ""), ("e0003", "", "")]
    assert (reply.started, reply.near) == (scribe.status().started, ())
    analysed = scribe.finish("e0004", 4)
    for at, parent, problem in ((analysed - 1, "e0004", "g"), (analysed, "e0004", "p"), (analysed, None, "g")):
        query = AskAncestry(parent=parent, at=at)
        assert [entry.key for entry in ancestry(scribe, motivations, query).cognition] == [problem]
        assert handler_for(Knowledge(scribe.store), query).texts() == [problem]


def started(store: Store, settings: Mapping[str, object]) -> Scribe:
    """Return a campaign in which the researcher has these settings."""
    scribe = Scribe(store)
    scribe.start(goal="g", baselines=(), roles={"researcher": settings})
    return scribe


def papers(scribe: Scribe, parent: str) -> list[str]:
    """Return the papers that the researcher gets for an idea, without a model."""
    query = AskAncestry(parent=parent, reader="researcher")
    reply = answer(Knowledge(scribe.store, cognition=OnePaper()), query)
    assert isinstance(reply, Ancestry)
    return [entry.key for entry in reply.cognition]


@pytest.mark.parametrize(
    ("settings", "reads"), [({"cognition": False}, False), ({"cognition": True}, True), ({}, True)]
)
def test_a_campaign_without_cognition_gets_no_papers(store: Store, settings: dict[str, bool], reads: bool) -> None:
    """Nothing has to be embedded for it either."""
    scribe = started(store, settings)
    scribe.open("e0001", 1)
    scribe.propose("e0001")
    handler = handler_for(Knowledge(scribe.store), AskAncestry(parent="e0001", reader="researcher"))
    assert (papers(scribe, "e0001"), handler.texts()) == ((["g"], ["g"]) if reads else ([], []))


@pytest.mark.parametrize(("share", "leads"), [(0.5, 4), (0.9, 7), (1.0, 8), (None, 8)])
def test_no_paper_leads_more_than_its_share(store: Store, share: float | None, leads: int) -> None:
    """Half of eight proposals may read it; a log without the setting knows no limit."""
    scribe = started(store, {} if share is None else {"max_paper_share": share})
    for number in range(1, 9):
        name = f"e{number:04d}"
        scribe.open(name, number)
        scribe.propose(name, cognition=tuple(papers(scribe, name)) or ("another",))
    read = [row for row in store.read_model.campaign("c").proposals if "g" in row.cognition]
    assert len(read) == leads


def test_a_paper_may_lead_three_proposals_whatever_its_share(store: Store) -> None:
    """Otherwise none could lead the first."""
    scribe = started(store, {"max_paper_share": 0.01})
    for number in range(1, 6):
        name = f"e{number:04d}"
        scribe.open(name, number)
        assert papers(scribe, name) == (["g"] if number <= 3 else [])
        scribe.propose(name, cognition=("g",))


def test_a_paper_whose_units_the_parent_has_is_left_out(store: Store) -> None:
    """It has nothing to try."""
    scribe = started(store, {"max_paper_share": 0.5})
    for number, gate in enumerate(("silu", "none"), 1):
        scribe.open(f"e{number:04d}", number)
        scribe.propose(f"e{number:04d}", design={"gate": gate, "paths": [{"kind": "memory"}]})
    assert (papers(scribe, "e0001"), papers(scribe, "e0002")) == ([], ["g"])


def test_a_model_gets_texts_sources_and_ideas_near_the_parents(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The parent's own idea is not among them."""
    query = AskAncestry(parent="e0003", references=("e0001",), reader="researcher")
    reply = ancestry(scribe, motivations, query)
    assert [(row.id, row.source, row.motivation) for row in reply.rows] == [
        ("e0001", "a = 1", "slow decay"),
        ("e0003", "c = 3", "slow delta"),
    ]
    assert {row.id for row in reply.near} == {"e0001", "e0002"}
    handler = handler_for(Knowledge(scribe.store), query)
    assert (handler.texts(), handler.motivation_count()) == (["g", "slow delta"], 3)


def test_a_model_gets_the_curves_of_the_parent_alone(scribe: Scribe, motivations: MotivationIndex) -> None:
    """They are most of an experiment's size; references have their figures."""
    curve = (CurvePoint(task="text", step=5, loss=2.5),)
    for name in ("e0001", "e0003"):
        scribe.complete(name, curve=curve)
    reply = ancestry(scribe, motivations, AskAncestry(parent="e0003", references=("e0001",), reader="researcher"))
    assert [row.metrics and row.metrics.curve for row in reply.rows] == [(), curve]


def test_a_reader_without_a_model_needs_no_motivation(scribe: Scribe, motivations: MotivationIndex) -> None:
    """The campaign names models by role: another role's does not count."""
    readers = ("", "engineer")
    replies = {reader: ancestry(scribe, motivations, AskAncestry(parent="e0003", reader=reader)) for reader in readers}
    assert {(row.source, row.motivation) for reply in replies.values() for row in reply.rows} == {("", "")}
    assert [reply.near for reply in replies.values()] == [(), ()]
    query = AskAncestry(parent="e0003", reader="engineer")
    assert handler_for(Knowledge(scribe.store), query).motivation_count() == 0


def test_before_a_campaign_there_is_nothing_to_start_from(scribe: Scribe) -> None:
    """That is no error."""
    assert answer(Knowledge(scribe.store), AskAncestry(parent="e0001")) == Ancestry()
