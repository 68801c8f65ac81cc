"""Answers as of a position: the events up to it decide them, and no later one."""

from collections.abc import Callable
from random import Random
from typing import Any, cast

import pytest

from benchmarks.campaign_log import random_idea
from bus.vocabulary.events import CodeRevised, CurvePoint, RunFailed
from bus.vocabulary.queries import (
    QUERIES,
    AskAnalysed,
    AskAncestry,
    AskCampaignStatus,
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskSetup,
    Experiments,
    ExperimentSetup,
    Neighbours,
    Query,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, fingerprint
from memory.cognition import CognitionBase, load_entries
from memory.queries import HANDLERS, Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store
from tests.support.factories import metrics
from tests.support.scribe import DESIGN, Scribe


def test_every_query_has_a_handler() -> None:
    """A query that is declared in the vocabulary can be answered."""
    assert set(HANDLERS) == set(QUERIES.values())


def test_a_log_without_the_campaign_has_empty_answers(store: Store) -> None:
    """Only a query about an experiment is refused, with its id."""
    assert answer(Knowledge(store), AskExperiments()) == Experiments(rows=())
    assert answer(Knowledge(store), AskNeighbours(text="decay")) == Neighbours(rows=())
    with pytest.raises(ValueError, match=r"^there is no experiment 'e0001': no campaign up to 0$"):
        answer(Knowledge(store), AskSetup(experiment="e0001"))


def test_an_experiment_has_the_metrics_of_its_run(scribe: Scribe) -> None:
    """Every task, size and cost; only a query that names the experiment gets the loss curves."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.propose("e0001")
    before = scribe.store.position
    figures = metrics(val_loss=1.5, recall=0.5, train_loss=1.4)
    curve = (CurvePoint(task="text", step=10, loss=2.5), CurvePoint(task="text", step=20, loss=1.7))
    scribe.complete("e0001", val_loss=1.5, recall=0.5, train_loss=1.4, curve=curve)
    listing = answer(Knowledge(scribe.store), AskExperiments())
    assert isinstance(listing, Experiments)
    assert [row.metrics for row in listing.rows] == [scribe.peers("e0001").this.metrics] == [figures]
    assert scribe.experiment("e0001").metrics == figures.model_copy(update={"curve": curve})
    assert scribe.experiment("e0001", before).metrics is None


def test_parameters_are_known_once_training_begins(scribe: Scribe) -> None:
    """First those of the start, then those of the completed run."""
    positions = [scribe.start(), scribe.open("e0001", 1), scribe.start_run("e0001")]
    positions += [scribe.complete("e0001", parameters=12)]
    assert [scribe.experiment("e0001", at).parameters for at in positions[1:]] == [None, 10, 12]


@pytest.mark.parametrize(
    ("opened", "second", "copy_of"),
    [
        ("together", {"design": DESIGN, "source": "y = 2"}, "e0001"),
        ("together", {"design": None, "source": "x  =  1"}, "e0001"),
        ("together", {"design": None, "source": "y = 2"}, ""),
        ("later", {"design": DESIGN, "source": "x = 1"}, ""),
    ],
)
def test_a_setup_names_the_proposal_that_another_open_slot_made_first(
    scribe: Scribe, opened: str, second: dict[str, Any], copy_of: str
) -> None:
    """By its design or its source; the researcher has compared the idea with those before its slot."""
    scribe.start()
    scribe.open("e0001", 1)
    moves = [lambda: scribe.open("e0002", 2), lambda: scribe.propose("e0001", design=DESIGN, source="x = 1")]
    for move in moves if opened == "together" else moves[::-1]:
        move()
    scribe.propose("e0002", **second)
    setups = [answer(Knowledge(scribe.store), AskSetup(experiment=name)) for name in ("e0001", "e0002")]
    assert [cast("ExperimentSetup", setup).copy_of for setup in setups] == ["", copy_of]


def test_later_events_change_no_answer(make_store: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """About a position, a store that has read further answers like one that has read no further."""
    later = make_store(log)
    library = CognitionBase(load_entries(), HashEmbedder())
    knowledge = Knowledge(later, MotivationIndex(later, HashEmbedder()), library)
    for at in range(1, len(log), 37):
        earlier = make_store(log[:at])
        ids = sorted({envelope.experiment for envelope in log[:at]} - {CAMPAIGN})[-4:]
        queries: list[Query] = [AskCampaignStatus(at=at), AskExperiments(at=at), AskExperiments(at=at, ids=tuple(ids))]
        queries += [ask(at=at, experiment=name) for name in ids for ask in (AskPeers, AskSetup)]
        queries += [AskAnalysed(at=at, newest=3, ids=tuple(ids))]
        exclude, design = ids[0] if ids else "", random_idea(0, Random(at))[2]
        queries += [AskNeighbours(at=at, text="decay gate", fingerprint=fingerprint("x = 1"), exclude=exclude)]
        queries += [
            AskNeighbours(at=at, design=design, exclude=exclude),
            AskAncestry(at=at, parent=exclude, reader="researcher"),
        ]
        earlier_knowledge = Knowledge(earlier, MotivationIndex(earlier, HashEmbedder()), library)
        for query in queries:
            assert answer(knowledge, query) == answer(earlier_knowledge, query)
        earlier.close()


def test_replies_are_valid(make_store: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """Records that are built without validation pass it."""
    store = make_store(log)
    names = tuple(store.read_model.campaign(log[0].campaign).experiments)
    for query in (AskExperiments(), AskExperiments(ids=names), *(AskPeers(experiment=name) for name in names)):
        reply = answer(Knowledge(store, MotivationIndex(store, HashEmbedder())), query)
        assert type(reply).model_validate_json(reply.model_dump_json(), strict=True) == reply


def test_a_position_that_was_not_read_is_an_error(scribe: Scribe) -> None:
    """Memory does not answer about the future."""
    scribe.start()
    with pytest.raises(ValueError, match=r"read the log up to 1, the question is about 5"):
        answer(Knowledge(scribe.store), AskCampaignStatus(at=5))


def test_an_unknown_experiment_has_no_peers(scribe: Scribe) -> None:
    """The query is refused with the experiment's id."""
    scribe.start()
    with pytest.raises(ValueError, match="there is no experiment 'e0009'"):
        scribe.peers("e0009")


def test_an_experiment_ends_once(scribe: Scribe) -> None:
    """A later event that contradicts the first end changes no count and no status."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.fail("e0001")
    scribe.analyse("e0001")
    status = scribe.status()
    assert (status.failed, status.analysed, status.ranking) == (1, 0, ())
    assert scribe.experiment("e0001").status == "failed"


def test_statuses_follow_the_log(scribe: Scribe) -> None:
    """Queued while it waits, running while it trains, queued again after a failed run, then its final status."""
    scribe.start()
    positions = [
        scribe.open("e0001", 1),
        scribe.propose("e0001"),
        scribe.start_run("e0001"),
        scribe.write(
            "e0001", RunFailed(run="r", worker="w", attempt=0, stage="train", reason="timeout", message="too long")
        ),
        scribe.start_run("e0001"),
        scribe.complete("e0001"),
        scribe.analyse("e0001"),
    ]
    statuses = [scribe.experiment("e0001", at).status for at in positions]
    assert statuses == ["queued", "queued", "running", "queued", "running", "running", "analysed"]


def test_a_failed_attempt_shows_its_repair(scribe: Scribe) -> None:
    """The newest source is the repaired one, and the failed attempt says what the repair changed."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.propose("e0001", source="first")
    failed = scribe.fail("e0001", final=False)
    scribe.write(
        "e0001", CodeRevised(attempt=1, source="second", change="masked", repaired_by="rules", design={"a": [1]})
    )
    before, after = scribe.experiment("e0001", failed), scribe.experiment("e0001")
    assert (before.source, before.attempt, before.design, before.failures[0].repair) == ("first", 0, None, "")
    assert (after.source, after.attempt, after.design, after.failures[0].repair) == ("second", 1, {"a": [1]}, "masked")


def test_rejected_and_failed_experiments_keep_their_reason(scribe: Scribe) -> None:
    """It is the reason code of the final failure or rejection."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.reject("e0001", final=True)
    scribe.open("e0002", 2)
    scribe.fail("e0002")
    assert [scribe.experiment(name).reason for name in ("e0001", "e0002")] == ["near_motivation", "causality"]


def test_peers_are_parent_siblings_and_trained_baselines(scribe: Scribe) -> None:
    """The experiment comes with everything except its source, the others with their figures alone."""
    scribe.start(baselines=("gla", "deltanet"))
    scribe.finish("base-gla", 0)
    scribe.finish("e0001", 2, parent="base-gla")
    scribe.finish("e0002", 3, parent="base-gla")
    scribe.finish("e0003", 4, parent="e0001")
    peers, this = scribe.peers("e0001"), scribe.experiment("e0001")
    assert peers.this == this.model_copy(update={"source": ""})
    sibling, parent = scribe.experiment("e0002"), scribe.experiment("base-gla")
    assert (peers.parent and (peers.parent.val_loss, peers.parent.motivation)) == (parent.val_loss, "")
    assert peers.siblings == (sibling.val_loss,)
    (baseline,) = peers.baselines
    assert (baseline.id, peers.baselines_pending) == ("base-gla", 1)
    assert baseline.metrics == parent.metrics == metrics()
    assert (parent.motivation, baseline.motivation, baseline.findings) == ("idea of base-gla", "", ())


def test_only_a_reader_with_a_model_gets_the_source_and_the_names_of_kin(scribe: Scribe) -> None:
    """A role that decides by rules has no use for them."""
    scribe.start(models={"analyst": "qwen"})
    scribe.finish("e0001", 1)
    scribe.finish("e0002", 2, parent="e0001")
    for slot in range(3, 8):
        scribe.finish(f"e000{slot}", slot, parent="e0002")
    peers = {reader: scribe.peers("e0003", reader=reader) for reader in ("", "analyst", "engineer")}
    assert {reader: one.this.source for reader, one in peers.items()} == {"": "", "analyst": "x = 3", "engineer": ""}
    kin = {reader: (one.grandparent_id, one.sibling_ids) for reader, one in peers.items()}
    assert kin == {"": ("", ()), "analyst": ("e0001", ("e0005", "e0006", "e0007")), "engineer": ("", ())}


def test_blank_lines_of_a_source_are_not_counted(scribe: Scribe) -> None:
    """They add no complexity."""
    scribe.start(baselines=())
    scribe.open("e0001", 1)
    assert scribe.experiment("e0001").lines == 0
    scribe.propose("e0001", source="a\n\n  \nb\n")
    assert scribe.experiment("e0001").lines == 2


def test_a_setup_has_settings_baselines_and_on_request_the_source(scribe: Scribe) -> None:
    """Before the experiment is opened, and for an unknown one, the query is refused."""
    opened = scribe.start(baselines=("gla", "deltanet"))
    scribe.finish("base-gla", 0)
    scribe.finish("e0001", 2, parent="base-gla")
    setup, peers = answer(Knowledge(scribe.store), AskSetup(experiment="e0001")), scribe.peers("e0001")
    assert isinstance(setup, ExperimentSetup)
    assert (setup.this.source, setup.this.lines, setup.baselines) == ("", None, peers.baselines)
    with_source = answer(Knowledge(scribe.store), AskSetup(experiment="e0001", source=True))
    assert isinstance(with_source, ExperimentSetup)
    assert with_source.this == scribe.experiment("e0001")
    assert setup.started == scribe.status().started
    for question in (AskSetup(experiment="e0001", at=opened), AskSetup(experiment="e0009")):
        with pytest.raises(ValueError, match="there is no experiment 'e000"):
            answer(Knowledge(scribe.store), question)


def test_experiments_await_their_analysis_in_the_order_of_training(scribe: Scribe) -> None:
    """At any position: those trained and not analysed by then."""
    scribe.start(baselines=())
    for slot in (1, 2, 3):
        scribe.open(f"e{slot:04}", slot)
    scribe.complete("e0002")
    scribe.complete("e0001")
    both = scribe.store.position
    scribe.analyse("e0002")
    scribe.complete("e0003")
    assert [scribe.peers("e0001", at).awaiting for at in (both, 0)] == [("e0002", "e0001"), ("e0001", "e0003")]


def test_a_listing_can_be_read_in_pages(scribe: Scribe) -> None:
    """The last row of a page says where the next page begins; together the pages are the listing."""
    scribe.start()
    for slot in range(1, 8):
        scribe.open(f"e{slot:04}", slot)
    names, after = [], 0
    while True:
        reply = answer(Knowledge(scribe.store), AskExperiments(after=after, limit=3))
        assert isinstance(reply, Experiments)
        if not reply.rows:
            break
        names += [row.id for row in reply.rows]
        after = reply.rows[-1].opened_seq
    assert names == [f"e{slot:04}" for slot in range(1, 8)]


def test_a_query_without_a_campaign_is_about_the_newest_one(scribe: Scribe) -> None:
    """The newest one as of the position."""
    first = scribe.start()
    scribe.campaign = "d"
    scribe.start()
    assert [scribe.status(at).campaign for at in (first, 0)] == ["c", "d"]


def test_the_newest_analysed_come_best_first(scribe: Scribe) -> None:
    """Named ones stand among them in the order of the ranking, each with its design; those not analysed are absent."""
    scribe.start()
    for slot, fitness in enumerate((0.3, 0.9, 0.1, 0.5, 0.2), 1):
        scribe.open(f"e{slot:04d}", slot)
        scribe.propose(f"e{slot:04d}", design=DESIGN)
        if slot < 5:
            scribe.complete(f"e{slot:04d}")
            scribe.analyse(f"e{slot:04d}", fitness)
    reply = answer(Knowledge(scribe.store), AskAnalysed(newest=2, ids=("e0001", "e0005")))
    assert [(row.id, row.fitness) for row in reply.rows] == [("e0004", 0.5), ("e0001", 0.3), ("e0003", 0.1)]
    assert [row.design for row in reply.rows] == 3 * [DESIGN]
    assert answer(Knowledge(scribe.store), AskAnalysed()).rows == ()
