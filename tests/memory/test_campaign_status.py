"""The status of a campaign as of a position: slots, ranking, pool, and messages of people."""

from bus.vocabulary.events import (
    CampaignFinished,
    CampaignForked,
    CampaignModels,
    CampaignPaused,
    CampaignResumed,
    HumanMessage,
    PoolUpdated,
)
from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from bus.wire.ids import CAMPAIGN, experiment_id
from memory.queries import Knowledge, answer
from memory.store import Store
from tests.support.scribe import Scribe


def test_an_empty_log_has_an_empty_status(store: Store) -> None:
    """That is no error."""
    assert answer(Knowledge(store), AskCampaignStatus()) == CampaignStatus()


def test_a_slot_settles_with_the_end_of_its_experiment(scribe: Scribe) -> None:
    """A baseline's when it is trained, any other when its experiment is analysed, failed or rejected."""
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
        scribe.reject("e0003", final=False),
        scribe.reject("e0003", final=True),
    )
    assert [scribe.status(at).settled for at in positions] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


def test_a_baseline_that_is_given_up_settles(scribe: Scribe) -> None:
    """Nothing waits for a failed baseline: its slot is settled and it is no longer pending."""
    scribe.start()
    scribe.open("base-gla", 0)
    scribe.fail("base-gla")
    scribe.finish("e0001", 1)
    status = scribe.status()
    assert (status.settled, status.unsettled, status.failed) == (2, 0, 1)
    assert (scribe.peers("e0001").baselines, scribe.peers("e0001").baselines_pending) == ((), 0)


def test_a_persons_experiment_takes_no_slot(scribe: Scribe) -> None:
    """It is unsettled until terminal, but neither opens nor settles a slot."""
    scribe.start()
    proposed = scribe.propose("h-3f2a91c0")
    failed = scribe.fail("h-3f2a91c0")
    counts = [(s.opened, s.settled, s.unsettled) for s in map(scribe.status, (proposed, failed))]
    assert counts == [(0, 0, 1), (0, 0, 0)]


def test_the_watermark_is_the_first_slot_that_is_not_open(scribe: Scribe) -> None:
    """Concurrent decisions open slots, so a later slot may come before an earlier one."""
    scribe.start()
    positions = [scribe.open(experiment_id(slot, ("gla",)), slot) for slot in (0, 2, 3, 1)]
    assert [(s.opened, s.watermark) for s in map(scribe.status, positions)] == [(1, 1), (2, 1), (3, 1), (4, 4)]


def test_the_pool_is_the_newest_state_of_the_search_policy(scribe: Scribe) -> None:
    """In the policy's own form. Concurrent decisions may publish an earlier generation after a later one."""
    positions = [
        scribe.start(),
        scribe.renew_pool(1, "e0001"),
        scribe.renew_pool(3, "e0003"),
        scribe.renew_pool(2, "e0002"),
        scribe.write(CAMPAIGN, PoolUpdated(generation=4, policy="islands", state={"islands": [["e0001"], []]})),
    ]
    first, third = ({"parents": [name], "references": []} for name in ("e0001", "e0003"))
    pools = [(status.generation, status.pool) for status in map(scribe.status, positions)]
    assert pools == [(0, {}), (1, first), (3, third), (3, third), (4, {"islands": [["e0001"], []]})]


def test_a_trained_baseline_is_unsettled_as_an_experiment_until_analysed(scribe: Scribe) -> None:
    """The campaign can't end before its baselines have their analysis."""
    scribe.start()
    scribe.open("base-gla", 0)
    trained = scribe.complete("base-gla")
    analysed = scribe.analyse("base-gla")
    assert [scribe.status(at).unsettled for at in (trained, analysed)] == [1, 0]


def test_the_ranking_breaks_ties_by_the_earlier_slot(scribe: Scribe) -> None:
    """Best first; of equals the one that was opened first, even if it was analysed later."""
    scribe.start()
    scribe.open("e0001", 1)
    scribe.finish("e0002", 2, fitness=0.5)
    scribe.finish("e0003", 3, fitness=0.9)
    scribe.complete("e0001")
    scribe.analyse("e0001", 0.5)
    assert scribe.status().ranking == ("e0003", "e0001", "e0002")


def test_the_ranking_has_at_most_fifty_experiments(scribe: Scribe) -> None:
    """As many as the two tiers of the pool hold."""
    scribe.start()
    for slot in range(1, 53):
        scribe.finish(f"e{slot:04}", slot, fitness=slot / 100)
    assert scribe.status().ranking == tuple(f"e{slot:04}" for slot in range(52, 2, -1))


def test_a_fork_changes_what_steers_from_its_position_on(scribe: Scribe) -> None:
    """Later changes add to earlier ones; a position before them knows none, and what makes a claim stays."""
    start = scribe.start()
    first = scribe.write(CAMPAIGN, CampaignForked(at=1, policy="random", policy_parameters={}))
    second = scribe.write(CAMPAIGN, CampaignForked(at=2, search_seed=7, models=CampaignModels(models={"judge": "m"})))
    found = [scribe.status(at).started for at in (start, first, second)]
    assert [(one.policy, one.search_seed, one.models) for one in found if one] == [
        ("two_tier", None, {}), ("random", None, {}), ("random", 7, {"judge": "m"})
    ]  # fmt: skip
    assert {(one.seed, one.verification, one.objective) for one in found if one} == {(7, None, None)}


def test_another_policy_gets_no_state_of_the_one_before_it(scribe: Scribe) -> None:
    """Its own generations begin at 1, and a late renewal by the old policy counts no more."""
    scribe.start()
    before = scribe.renew_pool(5, "e0001")
    changed = scribe.write(CAMPAIGN, CampaignForked(at=2, policy="mixture", policy_parameters={}))
    late = scribe.renew_pool(6, "e0002")
    own = scribe.write(CAMPAIGN, PoolUpdated(generation=1, policy="mixture", state={"policies": {}}))
    seed_only = scribe.write(CAMPAIGN, CampaignForked(at=own, search_seed=1))
    pools = [
        (status.generation, [*status.pool]) for status in map(scribe.status, (before, changed, late, own, seed_only))
    ]
    tiers = ["parents", "references"]
    assert pools == [(5, tiers), (0, []), (0, []), (1, ["policies"]), (1, ["policies"])]


def test_a_vetoed_experiment_leaves_the_ranking(scribe: Scribe) -> None:
    """It is listed as vetoed instead. The pool stays as the search policy said it: who draws from it leaves it out."""
    scribe.start()
    scribe.finish("e0001", 1, 0.9)
    scribe.finish("e0002", 2, 0.8)
    before = scribe.renew_pool(1, "e0001", "e0002")
    scribe.write(CAMPAIGN, HumanMessage(kind="veto", text="", target="e0001"))
    states = [(s.ranking, s.vetoed, s.pool["parents"]) for s in map(scribe.status, (before, 0))]
    both = ["e0001", "e0002"]
    assert states == [(("e0001", "e0002"), (), both), (("e0002",), ("e0001",), both)]
    assert [scribe.experiment("e0001", at).vetoed for at in (before, 0)] == [False, True]


def test_a_restored_experiment_is_back_in_the_ranking(scribe: Scribe) -> None:
    """At every position the newest message up to it stands."""
    scribe.start()
    scribe.finish("e0001", 1, 0.9)
    positions = [
        scribe.write(CAMPAIGN, HumanMessage(kind=kind, text="", target="e0001")) for kind in ("veto", "restore", "veto")
    ]
    assert [scribe.experiment("e0001", at).vetoed for at in positions] == [True, False, True]
    states = [(s.ranking, s.vetoed) for s in map(scribe.status, positions)]
    assert states == [((), ("e0001",)), (("e0001",), ()), ((), ("e0001",))]


def test_founders_are_the_baselines_that_ideas_may_start_from(scribe: Scribe) -> None:
    """From their proposal until they are given up or vetoed, in the order of their slots."""
    scribe.start(baselines=("gla", "delta"))
    positions = [scribe.open("base-delta", 0), scribe.open("base-gla", 1)]
    positions += [scribe.propose("base-gla"), scribe.propose("base-delta", source="x = 2"), scribe.propose("h-1")]
    positions += [
        scribe.fail("base-delta"),
        scribe.write(CAMPAIGN, HumanMessage(kind="veto", text="", target="base-gla")),
    ]
    both = ("base-delta", "base-gla")
    founders = [status.founders for status in map(scribe.status, positions)]
    assert founders == [(), (), ("base-gla",), both, both, ("base-gla",), ()]


def test_the_last_eight_steering_messages_are_in_force(scribe: Scribe) -> None:
    """Oldest first; the ninth takes the place of the first."""
    scribe.start()
    for number in range(9):
        scribe.write(CAMPAIGN, HumanMessage(kind="steer", text=f"message {number}"))
    assert scribe.status().guidance == tuple(f"message {number}" for number in range(1, 9))


def test_withdrawn_guidance_is_no_longer_in_force(scribe: Scribe) -> None:
    """The newest one without words, those that have the words, or all of them; the log before it stays as it was."""
    scribe.start()
    for text in ("use the delta rule", "no window", "more gates", "a router"):
        last = scribe.write(CAMPAIGN, HumanMessage(kind="steer", text=text))
    positions = [scribe.write(CAMPAIGN, HumanMessage(kind="withdraw", text=text)) for text in ("", "DELTA", "x", "all")]
    after = scribe.write(CAMPAIGN, HumanMessage(kind="steer", text="no window"))
    assert [scribe.status(at).guidance for at in (last, *positions, after)] == [
        ("use the delta rule", "no window", "more gates", "a router"),
        ("use the delta rule", "no window", "more gates"),
        ("no window", "more gates"),
        ("no window", "more gates"),
        (),
        ("no window",),
    ]


def test_a_person_may_change_the_budget(scribe: Scribe) -> None:
    """The last message with a number in plain digits counts."""
    scribe.start(experiments=3)
    before = scribe.store.position
    for text in ("20", "a lot", "-4"):
        scribe.write(CAMPAIGN, HumanMessage(kind="budget", text=text))
    assert [scribe.status(at).budget for at in (before, 0)] == [3, 20]


def test_a_paused_or_finished_campaign_can_be_resumed(scribe: Scribe) -> None:
    """At every position the newest transition up to it stands."""
    positions = [
        scribe.start(),
        scribe.write(CAMPAIGN, CampaignPaused(by="me")),
        scribe.write(CAMPAIGN, CampaignResumed(by="me")),
        scribe.write(CAMPAIGN, CampaignFinished(reason="budget_spent", analysed=0, failed=0, rejected=0)),
        scribe.write(CAMPAIGN, CampaignResumed(by="me")),
    ]
    states = [(s.paused, s.finished) for s in map(scribe.status, positions)]
    assert states == [(False, False), (True, False), (False, False), (False, True), (False, False)]


def test_a_campaign_is_stopping_until_its_ending_or_a_resumption(scribe: Scribe) -> None:
    """From the newest stop on; a pause changes nothing."""
    finished = CampaignFinished(reason="stopped", analysed=0, failed=0, rejected=0)
    stop = HumanMessage(kind="stop", text="")
    events = (stop, CampaignPaused(by="me"), stop, finished, stop, CampaignResumed(by="me"))
    positions = [scribe.start(), *(scribe.write(CAMPAIGN, event) for event in events)]
    assert [scribe.status(at).stopping for at in positions] == [False, True, True, True, False, True, False]
