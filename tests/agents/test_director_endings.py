"""The director pauses, resumes and ends a campaign."""

import pytest

from agents.roles.director import Director
from bus.vocabulary.events import CampaignFinished, CampaignPaused, CampaignResumed, Event, HumanMessage
from bus.vocabulary.queries import CampaignStatus
from tests.support.decisions import envelope_of
from tests.support.director_cases import FAILED, STARTED, director_posts, event_types, message, settled_status, status

STOPPED = CampaignFinished(reason="stopped", analysed=6, failed=0, rejected=0, best="e0001")


def test_the_event_that_settles_the_last_slot_ends_the_campaign() -> None:
    """CampaignFinished has the counts and the best experiment."""
    posts = director_posts(FAILED, settled_status(analysed=20, failed=2))
    assert [post.event for post in posts] == [
        CampaignFinished(reason="budget_spent", analysed=20, failed=2, rejected=0, best="e0001")
    ]


@pytest.mark.parametrize(
    "event",
    [
        FAILED,
        CampaignPaused(by="director"),
        CampaignResumed(by="Ada"),
        *map(message, ("pause", "resume", "stop", "budget")),
    ],
)
def test_any_event_after_the_last_settlement_ends_the_campaign(event: Event) -> None:
    """The ending depends on no single decision; each expects the same position, so the stream stores one ending."""
    (post,) = director_posts(event, settled_status(last_ending=12))
    assert type(post.event) is CampaignFinished
    assert post.expected_last == 12
    assert director_posts(event, settled_status(last_ending=12, finished=True)) == []


def test_a_persons_experiment_delays_the_end() -> None:
    """The campaign does not end while such an experiment is unsettled, even if all slots are settled."""
    assert director_posts(FAILED, status(opened=22, settled=22, unsettled=1)) == []


def test_an_empty_campaign_ends_at_once() -> None:
    """An empty campaign has no baselines and no experiments."""
    empty = STARTED.model_copy(update={"baselines": (), "experiments": 0})
    assert event_types(director_posts(empty, CampaignStatus(started=empty), "campaign", 1)) == ["CampaignFinished"]


@pytest.mark.parametrize(
    ("kind", "campaign", "expected"),
    [
        ("pause", status(), [CampaignPaused(by="Ada", why="w")]),
        ("pause", status(paused=True), [CampaignPaused(by="Ada", why="w")]),
        ("pause", status(finished=True), []),
        ("resume", status(paused=True), [CampaignResumed(by="Ada", why="w")]),
        ("resume", status(), [CampaignResumed(by="Ada", why="w")]),
        ("resume", status(finished=True), [CampaignResumed(by="Ada", why="w")]),
        ("resume", settled_status(finished=True), []),
        ("stop", status(stopping=True), [STOPPED]),
        ("stop", status(stopping=True, finished=True), []),
    ],
)
def test_a_message_pauses_resumes_or_stops_the_campaign(
    kind: str, campaign: CampaignStatus, expected: list[Event]
) -> None:
    """The effect depends on the campaign's state."""
    assert [post.event for post in director_posts(message(kind), campaign, "campaign")] == expected


@pytest.mark.parametrize("event", [FAILED, message("stop"), CampaignPaused(by="director")])
def test_any_event_after_a_stop_opens_no_slot_and_ends_the_campaign(event: Event) -> None:
    """The reason is `stopped`, or `budget_spent` if all slots were settled."""
    for campaign, reason in ((status(stopping=True), "stopped"), (settled_status(stopping=True), "budget_spent")):
        (post,) = director_posts(event, campaign)
        assert isinstance(post.event, CampaignFinished)
        assert (post.event.reason, post.expected_last) == (reason, 0)


def test_a_budget_raised_after_a_stop_resumes_the_campaign() -> None:
    """It resumes the campaign even before the ending is published."""
    posts = director_posts(message("budget", "40"), status(stopping=True, budget=40), "campaign")
    assert event_types(posts) == ["CampaignResumed"]


def test_a_lowered_budget_may_end_the_campaign() -> None:
    """It does if no slot is unsettled and the new total is reached."""
    campaign = status(settled=8, opened=8, unsettled=0, budget=6, paused=True)
    assert event_types(director_posts(message("budget", "6"), campaign, "campaign")) == ["CampaignFinished"]


def test_a_raised_budget_resumes_an_ended_campaign() -> None:
    """A budget that adds no experiment has no effect."""
    raised = message("budget", "40")
    assert event_types(director_posts(raised, settled_status(finished=True, budget=40), "campaign")) == [
        "CampaignResumed"
    ]
    assert director_posts(raised, settled_status(finished=True), "campaign") == []


def test_an_ending_just_after_a_raised_budget_resumes_the_campaign() -> None:
    """The message was published after the last settlement and before the ending."""
    ending = CampaignFinished(reason="budget_spent", analysed=1, failed=0, rejected=0)
    assert event_types(director_posts(ending, settled_status(finished=True, budget=40), "campaign")) == [
        "CampaignResumed"
    ]
    assert director_posts(ending, settled_status(finished=True), "campaign") == []


def test_an_abandoned_decision_pauses_the_campaign() -> None:
    """A person reads the reason in the pause, and a resumption opens the slots that stayed closed."""
    posts = Director().give_up(envelope_of(FAILED, "e0004"), "Refused: memory is ill")
    assert [post.event for post in posts] == [
        CampaignPaused(by="director", why="no decision on CodeFailed of e0004: Refused: memory is ill")
    ]


@pytest.mark.parametrize("event", [CampaignPaused(by="director"), HumanMessage(kind="steer", text="x")])
def test_an_abandoned_decision_on_an_event_that_opens_no_slot_has_no_effect(event: Event) -> None:
    """If a decision on a pause led to a pause, the lab would never stop pausing."""
    assert Director().give_up(envelope_of(event), "ill") == []
