"""The director's rules, over whole campaigns in virtual time (`tests/support/simulation.py`)."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from random import Random
from typing import cast

import pytest

from agents import Director
from bus.delivery.role import Decision
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignPaused,
    CodeFailed,
    HumanMessage,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, experiment_id
from tests.support.simulated_campaigns import BASELINES, QUIET, names, started
from tests.support.simulation import Archive, Faults, Laboratory, remembering


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Keep one log and one memory for many campaigns, as a lab's are."""
    with remembering():
        yield Archive(tmp_path_factory.mktemp("archive"))


def test_the_finish_counts_what_the_log_holds(archive: Archive) -> None:
    """The ending says how many were analysed, failed and rejected, and which is best."""
    lab = Laboratory(archive, "counted", Random(1))
    lab.start(started(1, 8, 2))
    lab.run()
    finished = cast("CampaignFinished", lab.events(CampaignFinished)[0].event)
    best = max(lab.events(AnalysisReady), key=lambda said: cast("AnalysisReady", said.event).fitness)
    assert finished.analysed == len(lab.events(AnalysisReady))
    assert finished.analysed + finished.failed + finished.rejected == 11
    assert finished.best == best.experiment


def test_different_seeds_propose_different_sources(archive: Archive) -> None:
    """The seed matters."""
    found = []
    for seed in (1, 2):
        lab = Laboratory(archive, f"seed-{seed}", Random(0))
        lab.start(started(seed, 3, 1))
        lab.run()
        found.append([cast("ProposalCreated", s.event).source for s in lab.events(ProposalCreated)][3:])
    assert found[0] != found[1]


def test_no_more_than_k_slots_are_under_way(archive: Archive) -> None:
    """At any position of the log, open slots number at most settled + K."""
    for slots in (1, 2, 4):
        lab = Laboratory(archive, f"width-{slots}", Random(slots))
        lab.start(started(slots, 6, slots))
        lab.run()
        for said in lab.events(ProposalRequested):
            there = lab.standing(said.seq)
            assert there.opened <= there.settled + slots


def test_analyses_wait_for_the_last_baseline(archive: Archive) -> None:
    """No fitness is said before every baseline is trained or given up."""
    lab = Laboratory(archive, "waits", Random(5))
    lab.start(started(5, 4, 4))
    lab.run()
    base = {experiment_id(slot, BASELINES) for slot in range(3)}
    settled = [
        s.seq
        for s in lab.log
        if s.experiment in base
        and (type(s.event) is RunCompleted or (isinstance(s.event, CodeFailed) and s.event.final))
    ]
    assert len(settled) == 3
    assert min(s.seq for s in lab.events(AnalysisReady)) > max(settled)


def test_a_raised_budget_reopens_a_finished_campaign(archive: Archive) -> None:
    """After the end, a larger budget resumes the campaign and it finishes again with the new number."""
    lab = Laboratory(archive, "reopened", Random(3), QUIET)
    lab.start(started(3, 2, 2))
    lab.cues.append((lambda s: type(s.event) is CampaignFinished, "budget 5"))
    lab.run()
    assert [type(s.event).__name__ for s in lab.log if s.experiment == CAMPAIGN and "Campaign" in s.type] == [
        "CampaignStarted",
        "CampaignFinished",
        "CampaignResumed",
        "CampaignFinished",
    ]
    assert lab.ends() == dict.fromkeys(names(5), 1)


def test_a_stop_opens_no_further_slot(archive: Archive) -> None:
    """What runs goes on, and nothing new begins."""
    lab = Laboratory(archive, "stopped", Random(4), QUIET)
    lab.start(started(4, 50, 2))
    lab.cues.append((lambda s: s.experiment == "e0002" and type(s.event) is ProposalRequested, "stop"))
    lab.run()
    finished = lab.events(CampaignFinished)
    assert [cast("CampaignFinished", s.event).reason for s in finished] == ["stopped"]
    assert not [s for s in lab.events(ProposalRequested) if s.seq > finished[0].seq + 10]
    assert lab.standing().opened < 53


def test_guidance_reaches_the_next_proposal(archive: Archive) -> None:
    """What a person says stands in the requests and proposals after it, word for word."""
    lab = Laboratory(archive, "guided", Random(6), QUIET)
    lab.start(started(6, 5, 1))
    lab.cues.append(
        (lambda s: s.experiment == "e0001" and type(s.event) is ProposalRequested, "prefer a sliding window")
    )
    lab.run()
    carried = defaultdict(tuple)
    for said in lab.events(ProposalCreated):
        carried[said.experiment] = cast("ProposalCreated", said.event).guidance
    assert carried["e0001"] == ()
    assert carried["e0005"] == ("prefer a sliding window",)


def test_every_slot_is_asked_for_by_one_decision(archive: Archive) -> None:
    """However many decisions are under way at once, none says a slot again that another one frees."""
    lab = Laboratory(archive, "singly", Random(7), Faults(spread=3.0))
    lab.start(started(7, 24, 8, baselines=0))
    lab.run()
    asked = [
        post.experiment for posts in lab._decided.values() for post in posts if type(post.event) is ProposalRequested
    ]
    assert sorted(asked) == sorted(names(24, 0))


class Ailing(Director):
    """A director that can't decide upon some events."""

    def __init__(self, fatal: Callable[[Envelope], bool]) -> None:
        self._fatal = fatal

    def decide(self, envelope: Envelope) -> Decision:
        """Give such a decision up; any other is made."""
        if self._fatal(envelope):
            return self.give_up(envelope, "ill")
        return (yield from super().decide(envelope))


def ailing(archive: Archive, name: str, seed: int, fatal: Callable[[Envelope], bool]) -> Laboratory:
    """Return a campaign whose director can't decide upon some event."""
    lab = Laboratory(archive, f"{name}-{seed}", Random(seed), Faults(spread=3.0))
    lab.roles = [Ailing(fatal) if isinstance(role, Director) else role for role in lab.roles]
    return lab


@pytest.mark.parametrize("seed", range(4))
def test_a_resumption_makes_up_for_a_decision_that_was_given_up(archive: Archive, seed: int) -> None:
    """Its slot stays closed until a person resumes the campaign, which then makes every experiment of its plan."""
    lab = ailing(archive, "ailing", seed, lambda said: type(said.event) is AnalysisReady and said.experiment == "e0002")
    lab.cues.append((lambda said: isinstance(said.event, CampaignPaused), "resume"))
    lab.start(started(seed, 12, 4))
    lab.run()
    assert lab.standing().finished
    assert lab.ends() == dict.fromkeys(names(12), 1)


def settlement(lab: Laboratory, envelope: Envelope) -> bool:
    """Say whether an event completes the campaign."""
    standing = lab.standing(envelope.seq)
    ends = isinstance(envelope.event, AnalysisReady | CodeFailed | ProposalRejected)
    return ends and standing.settled == 9 and not standing.unsettled


@pytest.mark.parametrize("seed", range(4))
def test_a_campaign_ends_though_the_decision_upon_its_last_settlement_was_given_up(archive: Archive, seed: int) -> None:
    """The pause that says so finds nothing left to do."""
    lab = ailing(archive, "unended", seed, lambda said: settlement(lab, said))
    lab.start(started(seed, 6, 4))
    lab.run()
    assert [said.type for said in lab.log[-2:]] == ["CampaignPaused", "CampaignFinished"]
    assert lab.ends() == dict.fromkeys(names(6), 1)


@pytest.mark.parametrize("word", ["resume", "stop", "pause", "budget 6"])
def test_where_that_fails_too_a_persons_word_ends_the_campaign(archive: Archive, word: str) -> None:
    """Whatever it is: nothing is left to do, and one ending says so."""

    def fatal(envelope: Envelope) -> bool:
        return settlement(lab, envelope) or type(envelope.event) is CampaignPaused

    lab = ailing(archive, f"unheard-{word[:3]}", 1, fatal)
    lab.cues.append((lambda said: isinstance(said.event, CampaignPaused), word))
    lab.start(started(1, 6, 4))
    lab.run()
    endings = [cast("CampaignFinished", said.event) for said in lab.events(CampaignFinished)]
    assert [(ending.reason, ending.analysed + ending.failed + ending.rejected) for ending in endings] == [
        ("budget_spent", 9)
    ]


def test_a_budget_raised_then_resumes_it(archive: Archive) -> None:
    """There is something to do again, and the ending comes after it."""
    lab = ailing(archive, "raised", 1, lambda said: settlement(lab, said) or type(said.event) is CampaignPaused)
    lab.cues.append((lambda said: isinstance(said.event, CampaignPaused), "budget 8"))
    lab.cues.append((lambda said: isinstance(said.event, HumanMessage), "resume"))
    lab.start(started(1, 6, 4))
    lab.run()
    assert len(lab.events(CampaignFinished)) == 1
    assert lab.ends() == dict.fromkeys(names(8), 1)


def test_a_stop_whose_decision_was_given_up_still_ends_the_campaign(archive: Archive) -> None:
    """The pause that says so carries it out."""
    lab = ailing(archive, "unstopped", 1, lambda said: isinstance(said.event, HumanMessage))
    lab.cues.append((lambda said: said.experiment == "e0002" and type(said.event) is ProposalRequested, "stop"))
    lab.start(started(1, 50, 4))
    lab.run()
    assert [cast("CampaignFinished", said.event).reason for said in lab.events(CampaignFinished)] == ["stopped"]
    assert lab.standing().opened < 53
