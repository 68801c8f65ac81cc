"""Answers as of a position: what had been said by then decides them, and nothing that came later."""

from collections.abc import Callable

import pytest

from bus.envelope import Envelope
from bus.events import (
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CodeRevised,
    HumanMessage,
    PoolUpdated,
    ProposalRejected,
    RunFailed,
    TaskScore,
)
from bus.ids import CAMPAIGN, experiment_id, fingerprint
from bus.queries import (
    AskExperiments,
    AskNeighbours,
    AskPeers,
    AskStanding,
    AskTrial,
    Experiment,
    Experiments,
    Peers,
    Query,
    Standing,
    Trial,
)
from memory.answers import answer
from memory.embedding import HashEmbedder
from memory.store import Store
from memory.vectors import Ideas
from tests.memory.conftest import Scribe


def peers(scribe: Scribe, experiment: str, at: int = 0) -> Peers:
    """Ask what an experiment is to be compared with."""
    reply = answer(scribe.store, None, None, AskPeers(experiment=experiment, at=at))
    assert isinstance(reply, Peers)
    return reply


def one(scribe: Scribe, experiment: str, at: int = 0) -> Experiment:
    """Ask for one experiment, whole."""
    reply = answer(scribe.store, None, None, AskExperiments(ids=(experiment,), at=at))
    assert isinstance(reply, Experiments)
    return reply.rows[0]


def reject(scribe: Scribe, experiment: str, *, final: bool) -> int:
    """Turn an idea down."""
    return scribe.say(
        experiment,
        ProposalRejected(name="n", motivation="m", reason="near_motivation", message="near", final=final),
    )


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
    assert one(scribe, "e0001").scores == scores
    assert one(scribe, "e0001").further == scores[2:]


def test_no_answer_knows_what_came_later(stored: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """Asked about a position, a store that has read on answers as one that has read no further."""
    later = stored(log)
    ideas = Ideas(later, HashEmbedder())
    for at in range(1, len(log), 37):
        then = stored(log[:at])
        ids = sorted({said.experiment for said in log[:at]} - {CAMPAIGN})[-4:]
        questions: list[Query] = [AskStanding(at=at), AskExperiments(at=at), AskExperiments(at=at, ids=tuple(ids))]
        questions += [ask(at=at, experiment=name) for name in ids for ask in (AskPeers, AskTrial)]
        questions += [
            AskNeighbours(at=at, text="decay gate", fingerprint=fingerprint("x = 1"), exclude=ids[0] if ids else "")
        ]
        for question in questions:
            assert answer(later, ideas, None, question) == answer(then, Ideas(then, HashEmbedder()), None, question)
        then.close()


def test_replies_are_what_their_types_promise(stored: Callable[[list[Envelope]], Store], log: list[Envelope]) -> None:
    """Records that are put together unchecked pass the check of their type."""
    store = stored(log)
    names = tuple(store.ledger.course(log[0].campaign).lives)
    for query in (AskExperiments(), AskExperiments(ids=names), *(AskPeers(experiment=name) for name in names)):
        reply = answer(store, Ideas(store, HashEmbedder()), None, query)
        assert type(reply).model_validate_json(reply.model_dump_json(), strict=True) == reply


def test_a_position_that_was_not_read_is_an_error(scribe: Scribe) -> None:
    """An answer about the future would be a guess."""
    scribe.start()
    with pytest.raises(ValueError, match=r"read the log up to 1, the question is about 5"):
        answer(scribe.store, None, None, AskStanding(at=5))


def test_an_empty_log_has_an_empty_standing(store: Store) -> None:
    """Before any campaign there is nothing, and that is no error."""
    assert answer(store, None, None, AskStanding()) == Standing()


def test_an_unknown_experiment_has_no_peers(scribe: Scribe) -> None:
    """To compare what is not there is the asker's mistake."""
    scribe.start()
    with pytest.raises(ValueError, match="there is no experiment 'e0009'"):
        peers(scribe, "e0009")


def test_slots_settle_as_the_architecture_says(scribe: Scribe) -> None:
    """A baseline settles when trained, an experiment when analysed, failed or rejected for good."""
    scribe.start(experiments=3)
    scribe.open("base-gla", 0)
    scribe.propose("base-gla")
    positions = (
        scribe.complete("base-gla"),
        scribe.analyse("base-gla"),
        scribe.open("e0001", 1),
        scribe.complete("e0001"),
        scribe.analyse("e0001"),
        scribe.open("e0002", 2),
        scribe.fail("e0002", final=False),
        scribe.fail("e0002"),
        scribe.open("e0003", 3),
        reject(scribe, "e0003", final=False),
        reject(scribe, "e0003", final=True),
    )
    assert [scribe.standing(at).settled for at in positions] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


def test_a_baseline_that_is_given_up_settles(scribe: Scribe) -> None:
    """Nothing waits for a baseline that failed: its slot is settled and it is pending no more."""
    scribe.start()
    scribe.open("base-gla", 0)
    scribe.fail("base-gla")
    scribe.live("e0001", 1)
    standing = scribe.standing()
    assert (standing.settled, standing.unsettled, standing.failed) == (2, 0, 1)
    assert (peers(scribe, "e0001").baselines, peers(scribe, "e0001").baselines_pending) == ((), 0)


def test_a_persons_experiment_takes_no_slot(scribe: Scribe) -> None:
    """It is unsettled until terminal, but neither opens nor settles a slot."""
    scribe.start()
    proposed = scribe.propose("h-3f2a91c0")
    done = scribe.fail("h-3f2a91c0")
    counts = [(s.opened, s.settled, s.unsettled) for s in map(scribe.standing, (proposed, done))]
    assert counts == [(0, 0, 1), (0, 0, 0)]


def test_the_row_of_open_slots_ends_at_its_first_gap(scribe: Scribe) -> None:
    """Slots are opened by several decisions at once, so a later one may come first; the count tells both."""
    scribe.start()
    positions = [scribe.open(experiment_id(slot, ("gla",)), slot) for slot in (0, 2, 3, 1)]
    assert [(s.opened, s.unbroken) for s in map(scribe.standing, positions)] == [(1, 1), (2, 1), (3, 1), (4, 4)]


def test_the_newest_renewal_of_the_pool_stands(scribe: Scribe) -> None:
    """Decisions under way at once may say an earlier one after it."""
    scribe.start()
    for generation, parent in ((1, "e0001"), (3, "e0003"), (2, "e0002")):
        scribe.say(CAMPAIGN, PoolUpdated(generation=generation, parents=(parent,), references=()))
    assert (scribe.standing().generation, scribe.standing().parents) == (3, ("e0003",))


def test_a_trained_baseline_is_unsettled_as_an_experiment_until_analysed(scribe: Scribe) -> None:
    """The campaign can't end before its baselines have their analysis."""
    scribe.start()
    scribe.open("base-gla", 0)
    trained = scribe.complete("base-gla")
    analysed = scribe.analyse("base-gla")
    assert [scribe.standing(at).unsettled for at in (trained, analysed)] == [1, 0]


def test_the_first_end_of_a_life_stands(scribe: Scribe) -> None:
    """A contradiction later in the log moves no count and no status."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.fail("e0001")
    scribe.analyse("e0001")
    standing = scribe.standing()
    assert (standing.failed, standing.analysed, standing.ranking) == (1, 0, ())
    assert one(scribe, "e0001").status == "failed"


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
    statuses = [one(scribe, "e0001", at).status for at in moments]
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
    before, after = one(scribe, "e0001", failed), one(scribe, "e0001")
    assert (before.source, before.attempt, before.design, before.failures[0].repair) == ("first", 0, None, "")
    assert (after.source, after.attempt, after.design, after.failures[0].repair) == ("second", 1, {"a": [1]}, "masked")


def test_rejected_and_failed_experiments_keep_their_reason(scribe: Scribe) -> None:
    """The reason code is the final one's."""
    scribe.start()
    scribe.open("e0001", 1)
    reject(scribe, "e0001", final=True)
    scribe.open("e0002", 2)
    scribe.fail("e0002")
    assert [one(scribe, name).reason for name in ("e0001", "e0002")] == ["near_motivation", "causality"]


def test_the_ranking_breaks_ties_by_the_earlier_slot(scribe: Scribe) -> None:
    """Best first; of equals the one that was opened first, whichever was analysed first."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.live("e0002", 2, fitness=0.5)
    scribe.live("e0003", 3, fitness=0.9)
    scribe.complete("e0001")
    scribe.analyse("e0001", 0.5)
    assert scribe.standing().ranking == ("e0003", "e0001", "e0002")


def test_the_ranking_has_at_most_fifty(scribe: Scribe) -> None:
    """It holds what the two tiers can."""
    scribe.start()
    for slot in range(1, 53):
        scribe.live(f"e{slot:04}", slot, fitness=slot / 100)
    assert scribe.standing().ranking == tuple(f"e{slot:04}" for slot in range(52, 2, -1))


def test_a_vetoed_experiment_leaves_ranking_and_pool(scribe: Scribe) -> None:
    """From the veto on it is neither parent nor reference, and says so itself."""
    scribe.start()
    scribe.live("e0001", 1, 0.9)
    scribe.live("e0002", 2, 0.8)
    before = scribe.say(CAMPAIGN, PoolUpdated(generation=1, parents=("e0001", "e0002"), references=("e0001",)))
    scribe.say(CAMPAIGN, HumanMessage(kind="veto", text="", target="e0001"))
    found = [(s.parents, s.references, s.ranking) for s in map(scribe.standing, (before, 0))]
    assert found == [(("e0001", "e0002"), ("e0001",), ("e0001", "e0002")), (("e0002",), (), ("e0002",))]
    assert [one(scribe, "e0001", at).vetoed for at in (before, 0)] == [False, True]


def test_a_veto_that_is_taken_back_puts_the_experiment_where_it_was(scribe: Scribe) -> None:
    """The newest word stands, and at every position the one that was newest then."""
    scribe.start()
    scribe.live("e0001", 1, 0.9)
    scribe.say(CAMPAIGN, PoolUpdated(generation=1, parents=("e0001",), references=("e0001",)))
    said = [
        scribe.say(CAMPAIGN, HumanMessage(kind=kind, text="", target="e0001")) for kind in ("veto", "restore", "veto")
    ]
    assert [one(scribe, "e0001", at).vetoed for at in said] == [True, False, True]
    found = [(s.parents, s.references, s.ranking) for s in map(scribe.standing, said)]
    assert found == [((), (), ()), (("e0001",), ("e0001",), ("e0001",)), ((), (), ())]


def test_founders_are_the_baselines_that_an_idea_may_start_from(scribe: Scribe) -> None:
    """From their proposal until they are given up or vetoed, at every position, in the order of their slots."""
    scribe.start(baselines=("gla", "delta"))
    moments = [scribe.open("base-delta", 0), scribe.open("base-gla", 1)]
    moments += [scribe.propose("base-gla"), scribe.propose("base-delta", source="x = 2"), scribe.propose("h-1")]
    moments += [scribe.fail("base-delta"), scribe.say(CAMPAIGN, HumanMessage(kind="veto", text="", target="base-gla"))]
    both = ("base-delta", "base-gla")
    found = [here.founders for here in map(scribe.standing, moments)]
    assert found == [(), (), ("base-gla",), both, both, ("base-gla",), ()]


def test_the_last_eight_steering_words_stand(scribe: Scribe) -> None:
    """Oldest first; a ninth takes the place of the first."""
    scribe.start()
    for number in range(9):
        scribe.say(CAMPAIGN, HumanMessage(kind="steer", text=f"word {number}"))
    assert scribe.standing().guidance == tuple(f"word {number}" for number in range(1, 9))


def test_a_person_may_change_the_budget(scribe: Scribe) -> None:
    """The last number said in plain digits counts."""
    scribe.start(experiments=3)
    before = scribe.store.position
    for text in ("20", "a lot", "-4"):
        scribe.say(CAMPAIGN, HumanMessage(kind="budget", text=text))
    assert [scribe.standing(at).budget for at in (before, 0)] == [3, 20]


def test_pauses_and_ends_can_be_taken_back(scribe: Scribe) -> None:
    """The last word on a matter stands, at every position."""
    moments = [
        scribe.start(),
        scribe.say(CAMPAIGN, CampaignPaused(by="me")),
        scribe.say(CAMPAIGN, CampaignResumed(by="me")),
        scribe.say(CAMPAIGN, CampaignFinished(reason="budget_spent", analysed=0, failed=0, rejected=0)),
        scribe.say(CAMPAIGN, CampaignResumed(by="me")),
    ]
    found = [(s.paused, s.finished) for s in map(scribe.standing, moments)]
    assert found == [(False, False), (True, False), (False, False), (False, True), (False, False)]


def test_a_stop_is_on_its_way_until_an_ending_or_a_resumption(scribe: Scribe) -> None:
    """Whichever comes first after the newest one; a pause settles nothing."""
    ended = CampaignFinished(reason="stopped", analysed=0, failed=0, rejected=0)
    stop = HumanMessage(kind="stop", text="")
    words = (stop, CampaignPaused(by="me"), stop, ended, stop, CampaignResumed(by="me"))
    moments = [scribe.start(), *(scribe.say(CAMPAIGN, event) for event in words)]
    assert [scribe.standing(at).stopping for at in moments] == [False, True, True, True, False, True, False]


def test_peers_are_parent_siblings_and_trained_baselines(scribe: Scribe) -> None:
    """The experiment comes whole but for its source, the others with what they are compared by, and no words."""
    scribe.start(baselines=("gla", "deltanet"))
    scribe.live("base-gla", 0)
    scribe.live("e0001", 2, parent="base-gla")
    scribe.live("e0002", 3, parent="base-gla")
    scribe.live("e0003", 4, parent="e0001")
    found, this = peers(scribe, "e0001"), one(scribe, "e0001")
    assert found.this == this.model_copy(update={"source": ""})
    assert answer(scribe.store, None, None, AskPeers(experiment="e0001", source=True)) == found.model_copy(
        update={"this": this}
    )
    whole, known = one(scribe, "e0002"), one(scribe, "base-gla")
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
    assert one(scribe, "e0001").lines == 0
    scribe.propose("e0001", source="a\n\n  \nb\n")
    assert one(scribe, "e0001").lines == 2


def test_a_trial_needs_the_settings_what_baselines_reached_and_at_times_the_source(scribe: Scribe) -> None:
    """A proposal brings its own source; of a campaign that was not there yet nothing is told."""
    opened = scribe.start(baselines=("gla", "deltanet"))
    scribe.live("base-gla", 0)
    scribe.live("e0001", 2, parent="base-gla")
    trial, found = answer(scribe.store, None, None, AskTrial(experiment="e0001")), peers(scribe, "e0001")
    assert isinstance(trial, Trial)
    assert (trial.this.source, trial.this.lines, trial.baselines) == ("", None, found.baselines)
    whole = answer(scribe.store, None, None, AskTrial(experiment="e0001", source=True))
    assert isinstance(whole, Trial)
    assert whole.this == one(scribe, "e0001")
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
    assert [peers(scribe, "e0001", at).awaiting for at in (both, 0)] == [("e0002", "e0001"), ("e0001", "e0003")]


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
