"""What the director decides from where a campaign stands: slots, pool, pauses and endings, one event at a time."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.roles.director import Director
from bus.delivery.role import Post
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    CampaignStarted,
    CodeFailed,
    Event,
    FitnessParts,
    HumanMessage,
    PoolUpdated,
    ProposalRequested,
    RunFailed,
)
from bus.vocabulary.queries import AskStanding, CampaignStatus
from bus.wire.envelope import Envelope

Drive = Callable[..., tuple[list[Any], list[Post]]]
Said = Callable[..., Envelope]

BASELINES = ("linear-attention", "gla")
STARTED = CampaignStarted(
    goal="g", seed=3, scale="nano", experiments=20, slots=2, baselines=BASELINES, cold_start=4, batch=3
)
ANALYSED = AnalysisReady(fitness=0.5, parts=FitnessParts(loss=0.5, benchmark=0.5, judge=0.5), findings=(), problem="p")
FAILED = CodeFailed(attempt=0, stage="gate", reason="causality", message="m", final=True)
STOPPED = CampaignFinished(reason="stopped", analysed=6, failed=0, rejected=0, best="e0001")
RANKED = tuple(f"e{n:04d}" for n in range(1, 31))


def standing(**more: Any) -> CampaignStatus:
    """Return where a campaign stands in the middle: seven of eight open slots settled."""
    known: dict[str, Any] = {
        "campaign": "nano-0-aa", "started": STARTED, "budget": 20, "opened": 8, "unbroken": 8, "settled": 7,
        "unsettled": 1, "analysed": 6, "ranking": RANKED, "parents": RANKED[:10], "references": RANKED[10:],
    }  # fmt: skip
    return CampaignStatus.model_validate(known | more)


TURNS = ("pause", "resume", "stop", "budget")


def word(kind: str, text: str = "w") -> HumanMessage:
    """Return a person's word."""
    return HumanMessage.model_validate({"kind": kind, "text": text, "by": "Ada"})


def says(posts: list[Post]) -> list[str]:
    """Return the kinds of events said."""
    return [type(post.event).__name__ for post in posts]


def opened(posts: list[Post]) -> list[str]:
    """Return the experiments whose slots were opened."""
    return [post.experiment for post in posts if isinstance(post.event, ProposalRequested)]


def test_a_campaign_opens_with_as_many_baselines_as_it_has_slots(said: Said, drive: Drive) -> None:
    """Baselines first, K of them."""
    here = standing(opened=0, unbroken=0, settled=0, unsettled=0, analysed=0, ranking=(), parents=(), references=())
    _, posts = drive(Director(), said(STARTED, seq=1), {AskStanding: here})
    assert [(post.experiment, post.event.arm, post.event.baseline) for post in posts] == [
        ("base-linear-attention", "baseline", "linear-attention"),
        ("base-gla", "baseline", "gla"),
    ]


@pytest.mark.parametrize(
    ("settled", "already", "expected"),
    [(7, 8, ["e0007"]), (7, 6, ["e0007"]), (7, 9, []), (20, 20, ["e0020"]), (21, 22, [])],
)
def test_the_t_th_settlement_opens_slot_t_plus_k_less_one(
    said: Said, drive: Drive, settled: int, already: int, expected: list[str]
) -> None:
    """That one alone, if the campaign's 22 slots reach so far: those before it are on their way from earlier ones."""
    _, posts = drive(Director(), said(FAILED, "e0004"), {AskStanding: standing(settled=settled, unbroken=already)})
    assert opened(posts) == expected


@pytest.mark.parametrize(
    ("event", "experiment"),
    [
        (FAILED.model_copy(update={"final": False}), "e0004"),
        (HumanMessage(kind="steer", text="x"), "campaign"),
        (HumanMessage(kind="ask", text="x?"), "campaign"),
        (HumanMessage(kind="veto", text="x", target="e0001"), "campaign"),
    ],
)
def test_events_that_settle_nothing_are_passed_over_without_a_question(
    said: Said, drive: Drive, event: Event, experiment: str
) -> None:
    """Repairs and words that change no slot cost memory nothing."""
    assert drive(Director(), said(event, experiment)) == ([], [])


def test_a_paused_campaign_opens_nothing(said: Said, drive: Drive) -> None:
    """What runs goes on; no slot is opened."""
    assert drive(Director(), said(FAILED, "e0004"), {AskStanding: standing(paused=True)})[1] == []


def test_a_resumption_opens_what_the_pause_held_back(said: Said, drive: Drive) -> None:
    """Up to settled + K at once, from the first slot on that is not open."""
    _, posts = drive(Director(), said(CampaignResumed(by="Ada")), {AskStanding: standing(unbroken=7)})
    assert opened(posts) == ["e0006", "e0007"]


def test_a_resumption_opens_what_a_decision_that_was_given_up_left_closed(said: Said, drive: Drive) -> None:
    """Also where slots behind it are open: those are said again, and the stream drops them."""
    here = standing(unbroken=6, opened=8)
    assert opened(drive(Director(), said(CampaignResumed(by="Ada")), {AskStanding: here})[1]) == [
        "e0005", "e0006", "e0007"
    ]  # fmt: skip


def test_the_parent_comes_from_the_first_tier_and_four_references_from_the_second(said: Said, drive: Drive) -> None:
    """All five differ, and are those of the pool."""
    _, posts = drive(Director(), said(FAILED, "e0004"), {AskStanding: standing(guidance=("try gates",))})
    asked = posts[0].event
    assert isinstance(asked, ProposalRequested)
    assert asked.parent in RANKED[:10]
    assert len(set(asked.references)) == 4
    assert set(asked.references) <= set(RANKED[10:])
    assert asked.guidance == ("try gates",)


def test_two_directors_upon_different_events_draw_the_same_for_a_slot(said: Said, drive: Drive) -> None:
    """What a slot starts from hangs on the slot and the pool, not on which settlement was handled first."""
    first = drive(Director(), said(FAILED, "e0004", 40), {AskStanding: standing()})[1][-1]
    second = drive(Director(), said(FAILED, "e0005", 44), {AskStanding: standing(settled=7)})[1][-1]
    assert first == second


def test_a_small_campaign_fills_references_from_other_ranked_ones(said: Said, drive: Drive) -> None:
    """With five ranked and an empty second tier, the other four are the references."""
    here = standing(parents=RANKED[:5], references=(), ranking=RANKED[:5])
    asked = drive(Director(), said(FAILED, "e0004"), {AskStanding: here})[1][0].event
    assert {asked.parent, *asked.references} == set(RANKED[:5])


def test_before_the_first_pool_the_founders_are_the_ancestors(said: Said, drive: Drive) -> None:
    """They stand in for both tiers."""
    here = standing(parents=(), references=(), ranking=(), founders=("base-gla",))
    asked = drive(Director(), said(FAILED, "e0004"), {AskStanding: here})[1][0].event
    assert (asked.parent, asked.references) == ("base-gla", ())


def test_with_nothing_to_start_from_there_is_no_parent(said: Said, drive: Drive) -> None:
    """An experiment may have to begin from scratch."""
    here = standing(parents=(), references=(), ranking=())
    assert drive(Director(), said(FAILED, "e0004"), {AskStanding: here})[1][0].event.parent is None


@pytest.mark.parametrize(("analysed", "generation"), [(3, None), (4, 1), (5, None), (7, 2), (10, 3)])
def test_the_pool_is_renewed_after_the_cold_start_and_then_in_batches(
    said: Said, drive: Drive, analysed: int, generation: int | None
) -> None:
    """The first renewal at 4 analysed, then every 3: ranks 1–10 and 11–50, under a number that the count gives."""
    _, posts = drive(Director(), said(ANALYSED, "e0004"), {AskStanding: standing(analysed=analysed)})
    renewed = [post.event for post in posts if isinstance(post.event, PoolUpdated)]
    expected = (
        [] if generation is None else [PoolUpdated(generation=generation, parents=RANKED[:10], references=RANKED[10:])]
    )
    assert renewed == expected


def test_a_renewal_counts_for_the_slots_opened_with_it(said: Said, drive: Drive) -> None:
    """A slot opened upon the renewing event draws from the new tiers."""
    here = standing(analysed=4, parents=(), references=())
    posts = drive(Director(), said(ANALYSED, "e0004"), {AskStanding: here})[1]
    assert says(posts) == ["PoolUpdated", "ProposalRequested"]
    assert posts[1].event.parent in RANKED[:10]


@pytest.mark.parametrize(("analysed", "opens"), [(1, []), (2, ["e0001"])])
def test_new_designs_wait_until_the_trained_baselines_are_analysed(
    said: Said, drive: Drive, analysed: int, opens: list[str]
) -> None:
    """What a proposal reads does not depend on how far the analyst was; the last baseline's analysis opens the slot."""
    baselines = len(STARTED.baselines)
    here = standing(
        opened=baselines,
        unbroken=baselines,
        settled=baselines,
        analysed=analysed * baselines // 2,
        ranking=(),
        parents=(),
        references=(),
        started=STARTED.model_copy(update={"slots": 1}),
    )
    posts = drive(Director(), said(ANALYSED, "base-gla"), {AskStanding: here})[1]
    assert [post.experiment for post in posts if isinstance(post.event, ProposalRequested)] == opens


def test_the_end_by_which_the_baselines_became_known_opens_all_that_waited_for_it(said: Said, drive: Drive) -> None:
    """And the next one its own slot again."""
    more = {"opened": 2, "unbroken": 2, "failed": 0, "rejected": 0, "started": STARTED.model_copy(update={"slots": 4})}
    last = standing(settled=2, analysed=2, **more)
    assert opened(drive(Director(), said(ANALYSED, "base-gla"), {AskStanding: last})[1]) == [
        "e0001", "e0002", "e0003", "e0004"
    ]  # fmt: skip
    later = standing(settled=3, analysed=3, **more)
    assert opened(drive(Director(), said(ANALYSED, "e0001"), {AskStanding: later})[1]) == ["e0005"]


def spent(**more: Any) -> CampaignStatus:
    """Return a campaign with nothing left to do."""
    return standing(opened=22, unbroken=22, settled=22, unsettled=0, **more)


def test_the_event_that_settles_the_last_thing_ends_the_campaign(said: Said, drive: Drive) -> None:
    """With the counts and the best."""
    _, posts = drive(Director(), said(FAILED, "e0004"), {AskStanding: spent(analysed=20, failed=2)})
    assert [post.event for post in posts] == [
        CampaignFinished(reason="budget_spent", analysed=20, failed=2, rejected=0, best="e0001")
    ]


@pytest.mark.parametrize(
    "event", [FAILED, CampaignPaused(by="director"), CampaignResumed(by="Ada"), *(word(kind) for kind in TURNS)]
)
def test_any_event_that_finds_nothing_left_to_do_ends_the_campaign(said: Said, drive: Drive, event: Event) -> None:
    """Whatever became of the decision that should have; the stream takes no two endings upon the same knowledge."""
    (post,) = drive(Director(), said(event), {AskStanding: spent(last_ending=12)})[1]
    assert type(post.event) is CampaignFinished
    assert post.expected_last == 12
    assert drive(Director(), said(event), {AskStanding: spent(last_ending=12, finished=True)})[1] == []


def test_a_persons_experiment_is_waited_for(said: Said, drive: Drive) -> None:
    """All slots settled but one of theirs under way: no end yet."""
    here = standing(opened=22, settled=22, unsettled=1)
    assert drive(Director(), said(FAILED, "e0004"), {AskStanding: here})[1] == []


def test_a_campaign_of_nothing_ends_at_once(said: Said, drive: Drive) -> None:
    """No baselines, no experiments."""
    nothing = STARTED.model_copy(update={"baselines": (), "experiments": 0})
    here = CampaignStatus(started=nothing)
    assert says(drive(Director(), said(nothing, seq=1), {AskStanding: here})[1]) == ["CampaignFinished"]


@pytest.mark.parametrize(
    ("kind", "here", "expected"),
    [
        ("pause", standing(), [CampaignPaused(by="Ada", why="w")]),
        ("pause", standing(paused=True), [CampaignPaused(by="Ada", why="w")]),
        ("pause", standing(finished=True), []),
        ("resume", standing(paused=True), [CampaignResumed(by="Ada", why="w")]),
        ("resume", standing(), [CampaignResumed(by="Ada", why="w")]),
        ("resume", standing(finished=True), [CampaignResumed(by="Ada", why="w")]),
        ("resume", spent(finished=True), []),
        ("stop", standing(stopping=True), [STOPPED]),
        ("stop", standing(stopping=True, finished=True), []),
    ],
)
def test_a_persons_word_becomes_the_campaigns_turn(
    said: Said, drive: Drive, kind: str, here: CampaignStatus, expected: list[Event]
) -> None:
    """Pause, resume and stop, each where it means something."""
    _, posts = drive(Director(), said(word(kind)), {AskStanding: here})
    assert [post.event for post in posts] == expected


@pytest.mark.parametrize("event", [FAILED, word("stop"), CampaignPaused(by="director")])
def test_what_comes_after_a_stop_opens_nothing_and_ends_the_campaign(said: Said, drive: Drive, event: Event) -> None:
    """Should the ending not have been said; it tells whether anything was cut off."""
    for here, reason in ((standing(stopping=True), "stopped"), (spent(stopping=True), "budget_spent")):
        (post,) = drive(Director(), said(event, "e0004"), {AskStanding: here})[1]
        assert isinstance(post.event, CampaignFinished)
        assert (post.event.reason, post.expected_last) == (reason, 0)


def test_a_budget_raised_after_a_stop_resumes_the_campaign(said: Said, drive: Drive) -> None:
    """As it does once the ending has been said."""
    _, posts = drive(Director(), said(word("budget", "40")), {AskStanding: standing(stopping=True, budget=40)})
    assert says(posts) == ["CampaignResumed"]


def test_a_raised_budget_opens_slots_at_once(said: Said, drive: Drive) -> None:
    """A campaign that runs goes on with the new total."""
    here = standing(opened=22, unbroken=22, settled=21, budget=40)
    _, posts = drive(Director(), said(HumanMessage(kind="budget", text="40")), {AskStanding: here})
    assert opened(posts) == ["e0021"]


def test_a_lowered_budget_may_end_the_campaign(said: Said, drive: Drive) -> None:
    """Where nothing is under way and the new total is reached."""
    here = standing(settled=8, opened=8, unsettled=0, budget=6, paused=True)
    assert says(drive(Director(), said(word("budget", "6")), {AskStanding: here})[1]) == ["CampaignFinished"]


def test_a_raised_budget_resumes_an_ended_campaign(said: Said, drive: Drive) -> None:
    """And one that does not reach further leaves it ended."""
    raised = said(word("budget", "40"))
    assert says(drive(Director(), raised, {AskStanding: spent(finished=True, budget=40)})[1]) == ["CampaignResumed"]
    assert drive(Director(), raised, {AskStanding: spent(finished=True)})[1] == []


def test_an_ending_that_a_raised_budget_overtook_is_taken_back(said: Said, drive: Drive) -> None:
    """The words came after the last settlement and before the ending was said."""
    ended = CampaignFinished(reason="budget_spent", analysed=1, failed=0, rejected=0)
    here = spent(finished=True, budget=40)
    assert says(drive(Director(), said(ended), {AskStanding: here})[1]) == ["CampaignResumed"]
    assert drive(Director(), said(ended), {AskStanding: spent(finished=True)})[1] == []


def test_an_unknown_campaign_is_left_alone(said: Said, drive: Drive) -> None:
    """Events of a campaign whose start is not in the log decide nothing."""
    assert drive(Director(), said(FAILED, "e0004"), {AskStanding: CampaignStatus()})[1] == []


def test_a_decision_that_can_not_be_made_pauses_the_campaign_and_says_why(said: Said) -> None:
    """A person reads the reason, and their resume opens what was left closed."""
    posts = Director().give_up(said(FAILED, "e0004"), "Refused: memory is ill")
    assert [post.event for post in posts] == [
        CampaignPaused(by="director", why="no decision upon CodeFailed of e0004: Refused: memory is ill")
    ]


@pytest.mark.parametrize("event", [CampaignPaused(by="director"), HumanMessage(kind="steer", text="x")])
def test_what_closes_no_slot_pauses_nothing_where_it_is_given_up(said: Said, event: Event) -> None:
    """Least of all the pause that said so, or it would be said for ever."""
    assert Director().give_up(said(event), "ill") == []


def test_run_failures_are_not_the_directors(said: Said) -> None:
    """They are repaired first."""
    assert RunFailed not in Director.handles
