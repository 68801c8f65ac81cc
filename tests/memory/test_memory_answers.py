"""Answers as of a position: what had been said by then decides them, and nothing that came later."""

from collections.abc import Callable

import pytest

from bus.vocabulary.events import CodeRevised, RunFailed, TaskScore
from bus.vocabulary.queries import (
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskStanding,
    AskTrial,
    Experiments,
    ExperimentSetup,
    Query,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, fingerprint
from memory.answers import answer
from memory.retrieval.embedding import HashEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store
from tests.memory.conftest import Scribe


def test_every_task_has_its_score(scribe: Scribe) -> None:
    """In listings and in whole portraits alike; a run from before scores were kept has none."""
    scores = tuple(
        TaskScore(task=task, kind=kind, loss=1.5, accuracy=0.5, stderr=0.1, bits_per_byte=bits)
        for task, kind, bits in (("recall", "mqar", None), ("text", "text", 2.1), ("copying", "mad.compression", None))
    )
    scribe.start()
    for slot, (experiment, told) in enumerate({"e0001": scores, "e0002": ()}.items()):
        scribe.open(experiment, slot)
        scribe.propose(experiment)
        scribe.complete(experiment, told)
    listed = answer(scribe.store, None, None, AskExperiments())
    assert isinstance(listed, Experiments)
    assert [row.scores for row in listed.rows] == [scores, ()]
    assert scribe.one("e0001").scores == scores
    assert scribe.one("e0001").secondary_scores == scores[2:]


def test_no_answer_knows_what_came_later(stored: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """Asked about a position, a store that has read on answers as one that has read no further."""
    later = stored(log)
    ideas = MotivationIndex(later, HashEmbedder())
    for at in range(1, len(log), 37):
        then = stored(log[:at])
        ids = sorted({said.experiment for said in log[:at]} - {CAMPAIGN})[-4:]
        questions: list[Query] = [AskStanding(at=at), AskExperiments(at=at), AskExperiments(at=at, ids=tuple(ids))]
        questions += [ask(at=at, experiment=name) for name in ids for ask in (AskPeers, AskTrial)]
        questions += [
            AskNeighbours(at=at, text="decay gate", fingerprint=fingerprint("x = 1"), exclude=ids[0] if ids else "")
        ]
        for question in questions:
            assert answer(later, ideas, None, question) == answer(
                then, MotivationIndex(then, HashEmbedder()), None, question
            )
        then.close()


def test_replies_are_what_their_types_promise(stored: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """Records that are put together unchecked pass the check of their type."""
    store = stored(log)
    names = tuple(store.read_model.campaign(log[0].campaign).experiments)
    for query in (AskExperiments(), AskExperiments(ids=names), *(AskPeers(experiment=name) for name in names)):
        reply = answer(store, MotivationIndex(store, HashEmbedder()), None, query)
        assert type(reply).model_validate_json(reply.model_dump_json(), strict=True) == reply


def test_a_position_that_was_not_read_is_an_error(scribe: Scribe) -> None:
    """An answer about the future would be a guess."""
    scribe.start()
    with pytest.raises(ValueError, match=r"read the log up to 1, the question is about 5"):
        answer(scribe.store, None, None, AskStanding(at=5))


def test_an_unknown_experiment_has_no_peers(scribe: Scribe) -> None:
    """To compare what is not there is the asker's mistake."""
    scribe.start()
    with pytest.raises(ValueError, match="there is no experiment 'e0009'"):
        scribe.peers("e0009")


def test_the_first_end_of_a_life_stands(scribe: Scribe) -> None:
    """A contradiction later in the log moves no count and no status."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.fail("e0001")
    scribe.analyse("e0001")
    standing = scribe.standing()
    assert (standing.failed, standing.analysed, standing.ranking) == (1, 0, ())
    assert scribe.one("e0001").status == "failed"


def test_statuses_follow_the_log(scribe: Scribe) -> None:
    """Queued while it waits, running while it trains, queued again after a failed run, and then its end."""
    scribe.start()
    moments = [
        scribe.open("e0001", 1),
        scribe.propose("e0001"),
        scribe.begin("e0001"),
        scribe.say(
            "e0001", RunFailed(run="r", worker="w", attempt=0, stage="train", reason="timeout", message="too long")
        ),
        scribe.begin("e0001"),
        scribe.complete("e0001"),
        scribe.analyse("e0001"),
    ]
    statuses = [scribe.one("e0001", at).status for at in moments]
    assert statuses == ["queued", "queued", "running", "queued", "running", "running", "analysed"]


def test_a_repair_shows_with_the_failure_it_followed(scribe: Scribe) -> None:
    """The newest source is the repaired one, and the failed attempt tells what changed after it."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.propose("e0001", source="first")
    failed = scribe.fail("e0001", final=False)
    scribe.say(
        "e0001", CodeRevised(attempt=1, source="second", change="masked", repaired_by="rules", design={"a": [1]})
    )
    before, after = scribe.one("e0001", failed), scribe.one("e0001")
    assert (before.source, before.attempt, before.design, before.failures[0].repair) == ("first", 0, None, "")
    assert (after.source, after.attempt, after.design, after.failures[0].repair) == ("second", 1, {"a": [1]}, "masked")


def test_rejected_and_failed_experiments_keep_their_reason(scribe: Scribe) -> None:
    """The reason code is the final one's."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.reject("e0001", final=True)
    scribe.open("e0002", 2)
    scribe.fail("e0002")
    assert [scribe.one(name).reason for name in ("e0001", "e0002")] == ["near_motivation", "causality"]


def test_peers_are_parent_siblings_and_trained_baselines(scribe: Scribe) -> None:
    """The experiment comes whole but for its source, the others with what they are compared by, and no words."""
    scribe.start(baselines=("gla", "deltanet"))
    scribe.live("base-gla", 0)
    scribe.live("e0001", 2, parent="base-gla")
    scribe.live("e0002", 3, parent="base-gla")
    scribe.live("e0003", 4, parent="e0001")
    found, this = scribe.peers("e0001"), scribe.one("e0001")
    assert found.this == this.model_copy(update={"source": ""})
    assert answer(scribe.store, None, None, AskPeers(experiment="e0001", source=True)) == found.model_copy(
        update={"this": this}
    )
    whole, known = scribe.one("e0002"), scribe.one("base-gla")
    assert (found.parent and (found.parent.val_loss, found.parent.motivation)) == (known.val_loss, "")
    assert found.siblings == (whole.val_loss,)
    (baseline,) = found.baselines
    assert (baseline.id, found.baselines_pending) == ("base-gla", 1)
    assert (baseline.val_loss, baseline.recall, baseline.scores) == (known.val_loss, known.recall, known.scores)
    assert (known.motivation, baseline.motivation, baseline.findings) == ("idea of base-gla", "", ())


def test_blank_lines_of_a_source_are_not_counted(scribe: Scribe) -> None:
    """They are no complexity."""
    scribe.start(baselines=())
    scribe.open("e0001", 1)
    assert scribe.one("e0001").lines == 0
    scribe.propose("e0001", source="a\n\n  \nb\n")
    assert scribe.one("e0001").lines == 2


def test_a_trial_needs_the_settings_what_baselines_reached_and_at_times_the_source(scribe: Scribe) -> None:
    """A proposal brings its own source; of a campaign that was not there yet nothing is told."""
    opened = scribe.start(baselines=("gla", "deltanet"))
    scribe.live("base-gla", 0)
    scribe.live("e0001", 2, parent="base-gla")
    trial, found = answer(scribe.store, None, None, AskTrial(experiment="e0001")), scribe.peers("e0001")
    assert isinstance(trial, ExperimentSetup)
    assert (trial.this.source, trial.this.lines, trial.baselines) == ("", None, found.baselines)
    whole = answer(scribe.store, None, None, AskTrial(experiment="e0001", source=True))
    assert isinstance(whole, ExperimentSetup)
    assert whole.this == scribe.one("e0001")
    assert trial.started == scribe.standing().started
    for question in (AskTrial(experiment="e0001", at=opened), AskTrial(experiment="e0009")):
        with pytest.raises(ValueError, match="there is no experiment 'e000"):
            answer(scribe.store, None, None, question)


def test_what_awaits_analysis_comes_in_the_order_of_training(scribe: Scribe) -> None:
    """At any position: trained by then, and not analysed by then."""
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
    """The last row of a page says where the next begins; together they are the whole."""
    scribe.start()
    for slot in range(1, 8):
        scribe.open(f"e{slot:04}", slot)
    names, after = [], 0
    while True:
        reply = answer(scribe.store, None, None, AskExperiments(after=after, limit=3))
        assert isinstance(reply, Experiments)
        if not reply.rows:
            break
        names += [row.id for row in reply.rows]
        after = reply.rows[-1].opened_seq
    assert names == [f"e{slot:04}" for slot in range(1, 8)]


def test_the_newest_campaign_is_meant_where_none_is_named(scribe: Scribe) -> None:
    """As of the position: a later one is not yet there."""
    first = scribe.start()
    scribe.campaign = "d"
    scribe.start()
    assert [scribe.standing(at).campaign for at in (first, 0)] == ["c", "d"]
