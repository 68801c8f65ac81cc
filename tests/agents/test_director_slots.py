"""The director opens slots and renews the pool."""

import pytest

from agents.admission.run_request import run_request
from agents.repair.attempt import Attempt
from agents.roles.director import SPEC, Director
from bus.vocabulary.events import CampaignResumed, Event, HumanMessage, PoolUpdated, ProposalRequested, RunFailed
from bus.vocabulary.queries import CampaignStatus
from tests.support.decisions import decide, envelope_of
from tests.support.director_cases import (
    ANALYSED,
    EMPTY,
    FAILED,
    RANKED,
    STARTED,
    director_posts,
    event_types,
    message,
    opened_slots,
    status,
)


def request(campaign: CampaignStatus) -> ProposalRequested:
    """Return the request after a settlement, which has to be the only post."""
    (post,) = director_posts(FAILED, campaign)
    assert isinstance(post.event, ProposalRequested)
    return post.event


def test_the_start_opens_as_many_baselines_as_the_campaign_has_slots() -> None:
    """Baselines have the first slots."""
    campaign = status(opened=0, watermark=0, settled=0, unsettled=0, analysed=0, **EMPTY)
    posts = director_posts(STARTED, campaign, seq=1)
    assert [(post.experiment, post.event.arm, post.event.baseline) for post in posts] == [
        ("base-linear-attention", "baseline", "linear-attention"),
        ("base-gla", "baseline", "gla"),
    ]


@pytest.mark.parametrize(
    ("settled", "already_open", "expected"),
    [(7, 8, ["e0007"]), (7, 6, ["e0007"]), (7, 9, []), (20, 20, ["e0020"]), (21, 22, [])],
)
def test_the_t_th_settlement_opens_slot_t_plus_k_minus_one(
    settled: int, already_open: int, expected: list[str]
) -> None:
    """It opens that slot alone, if the campaign has so many slots; earlier slots belong to earlier settlements."""
    assert opened_slots(director_posts(FAILED, status(settled=settled, watermark=already_open))) == expected


@pytest.mark.parametrize(
    ("event", "experiment"),
    [
        (FAILED.model_copy(update={"final": False}), "e0004"),
        (HumanMessage(kind="steer", text="x"), "campaign"),
        (HumanMessage(kind="ask", text="x?"), "campaign"),
        (HumanMessage(kind="veto", text="x", target="e0001"), "campaign"),
    ],
)
def test_an_event_that_settles_nothing_leads_to_no_question(event: Event, experiment: str) -> None:
    """Repairs, and messages that change no slot, lead to no query."""
    assert decide(Director(), envelope_of(event, experiment)) == ([], [])


def test_a_paused_campaign_opens_no_slot() -> None:
    """Runs continue during a pause."""
    assert director_posts(FAILED, status(paused=True)) == []


def test_a_resumption_opens_the_slots_that_the_pause_held_back() -> None:
    """From the first slot that is not open, it opens slots until settled + K are open."""
    assert opened_slots(director_posts(CampaignResumed(by="Ada"), status(watermark=7))) == ["e0006", "e0007"]


def test_a_resumption_opens_the_slot_that_an_abandoned_decision_left_closed() -> None:
    """It also requests the open slots above it again, and the stream drops the repetitions."""
    posts = director_posts(CampaignResumed(by="Ada"), status(watermark=6, opened=8))
    assert opened_slots(posts) == ["e0005", "e0006", "e0007"]


def test_a_request_has_the_policys_suggestion_and_the_guidance() -> None:
    """Two tiers suggest a parent of the first tier and four references of the second."""
    event = request(status(guidance=("try gates",)))
    assert event.parent in RANKED[:10]
    assert len(set(event.references)) == 4
    assert set(event.references) <= set(RANKED[10:])
    assert event.guidance == ("try gates",)


def test_the_request_for_a_slot_depends_on_slot_and_pool_alone() -> None:
    """It does not depend on which of two settlements the director handles first."""
    post = director_posts(FAILED, status(), "e0004", 40)[-1]
    assert director_posts(FAILED, status(settled=7), "e0005", 44)[-1] == post


def test_another_search_seed_leads_to_other_draws_and_the_same_trainings() -> None:
    """The same seed draws the same; a training has the campaign's own seed whatever the search's is."""
    seeds = (None, 1, 2, 1)
    forks = [STARTED.model_copy(update={"search_seed": seed}) for seed in seeds]
    first, *others, repeated = [request(status(started=started)) for started in forks]
    assert len({one.model_dump_json() for one in (first, *others)}) == 3
    assert repeated == others[0]
    attempt = Attempt(number=0, source="x = 1")
    assert {run_request("e0001", attempt, started, ()).seed for started in forks} == {STARTED.seed}


def test_the_campaigns_start_names_the_policy() -> None:
    """Under the policy `random`, a request has no parent."""
    started = STARTED.model_copy(update={"policy": "random", "policy_parameters": {}})
    assert request(status(started=started)).parent is None


@pytest.mark.parametrize(("analysed", "generation"), [(3, None), (4, 1), (5, None), (7, 2), (10, 3)])
def test_the_pool_is_renewed_when_the_policy_renews_it(analysed: int, generation: int | None) -> None:
    """Two tiers renew it at 4 analysed experiments and after every 3 more; the count gives the generation."""
    posts = director_posts(ANALYSED, status(analysed=analysed))
    renewals = [post.event for post in posts if isinstance(post.event, PoolUpdated)]
    state = {"parents": list(RANKED[:10]), "references": list(RANKED[10:])}
    expected = [] if generation is None else [PoolUpdated(generation=generation, policy="two_tier", state=state)]
    assert renewals == expected


def test_a_slot_that_a_renewal_opens_draws_from_the_new_pool() -> None:
    """One decision publishes the renewal and the request."""
    posts = director_posts(ANALYSED, status(analysed=4, pool={}))
    assert event_types(posts) == ["PoolUpdated", "ProposalRequested"]
    assert posts[1].event.parent in RANKED[:10]


@pytest.mark.parametrize(("analysed", "expected"), [(1, []), (2, ["e0001"])])
def test_new_designs_wait_until_the_trained_baselines_are_analysed(analysed: int, expected: list[str]) -> None:
    """The analysis of the last baseline opens the slot, so that no proposal depends on the analyst's progress."""
    one_slot = STARTED.model_copy(update={"slots": 1})
    campaign = status(opened=2, watermark=2, settled=2, analysed=analysed, started=one_slot, **EMPTY)
    assert opened_slots(director_posts(ANALYSED, campaign, "base-gla")) == expected


def test_the_last_baselines_analysis_opens_every_slot_that_waited_for_it() -> None:
    """After it, each settlement opens one slot again."""
    fields = {"opened": 2, "watermark": 2, "started": STARTED.model_copy(update={"slots": 4})}
    last_baseline = status(settled=2, analysed=2, **fields)
    assert opened_slots(director_posts(ANALYSED, last_baseline, "base-gla")) == ["e0001", "e0002", "e0003", "e0004"]
    first_candidate = status(settled=3, analysed=3, **fields)
    assert opened_slots(director_posts(ANALYSED, first_candidate, "e0001")) == ["e0005"]


def test_a_raised_budget_opens_slots_at_once() -> None:
    """A running campaign continues up to the new total."""
    campaign = status(opened=22, watermark=22, settled=21, budget=40)
    assert opened_slots(director_posts(message("budget", "40"), campaign, "campaign")) == ["e0021"]


def test_an_unknown_campaign_is_ignored() -> None:
    """An event of a campaign whose start is not in the log leads to no post."""
    assert director_posts(FAILED, CampaignStatus()) == []


def test_the_director_does_not_decide_on_run_failures() -> None:
    """The engineer repairs them first."""
    assert RunFailed not in SPEC.subscribes
