"""The standing of a campaign as of a position: slots, ranking, pool, and what people have said."""

from bus.vocabulary.events import CampaignFinished, CampaignPaused, CampaignResumed, HumanMessage, PoolUpdated
from bus.vocabulary.queries import AskStanding, CampaignStatus
from bus.wire.ids import CAMPAIGN, experiment_id
from memory.answers import answer
from memory.store import Store
from tests.memory.conftest import Scribe


def test_an_empty_log_has_an_empty_standing(store: Store) -> None:
    """Before any campaign there is nothing, and that is no error."""
    assert answer(store, None, None, AskStanding()) == CampaignStatus()


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
        scribe.reject("e0003", final=False),
        scribe.reject("e0003", final=True),
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
    assert (scribe.peers("e0001").baselines, scribe.peers("e0001").baselines_pending) == ((), 0)


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
    assert [scribe.one("e0001", at).vetoed for at in (before, 0)] == [False, True]


def test_a_veto_that_is_taken_back_puts_the_experiment_where_it_was(scribe: Scribe) -> None:
    """The newest word stands, and at every position the one that was newest then."""
    scribe.start()
    scribe.live("e0001", 1, 0.9)
    scribe.say(CAMPAIGN, PoolUpdated(generation=1, parents=("e0001",), references=("e0001",)))
    said = [
        scribe.say(CAMPAIGN, HumanMessage(kind=kind, text="", target="e0001")) for kind in ("veto", "restore", "veto")
    ]
    assert [scribe.one("e0001", at).vetoed for at in said] == [True, False, True]
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
