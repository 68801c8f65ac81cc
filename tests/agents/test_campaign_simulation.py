"""The director's rules over whole campaigns in virtual time (`tests/support/simulation.py`)."""

from collections.abc import Callable, Iterator
from random import Random
from typing import cast

import pytest

from agents.roles.director import Director
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
from bus.wire.ids import CAMPAIGN
from tests.support.archive import Archive
from tests.support.campaign_checks import slot_names
from tests.support.simulated_campaigns import BASELINES, NO_FAULTS, started
from tests.support.simulation import Faults, Laboratory, caching

ANY_ORDER = Faults(spread=3.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Return one log and one memory for many campaigns, as a lab has them."""
    with caching():
        yield Archive(tmp_path_factory.mktemp("archive"))


def request_of(experiment: str) -> Callable[[Envelope], bool]:
    """Return the condition that an event opens the slot of an experiment."""
    return lambda envelope: envelope.experiment == experiment and type(envelope.event) is ProposalRequested


def endings(lab: Laboratory) -> list[CampaignFinished]:
    """Return the endings in a campaign's log."""
    return [cast("CampaignFinished", envelope.event) for envelope in lab.events(CampaignFinished)]


def test_the_ending_counts_what_is_in_the_log(archive: Archive) -> None:
    """CampaignFinished counts analysed, failed and rejected experiments, and names the best one."""
    lab = Laboratory(archive, "counted", Random(1))
    lab.start(started(1, 8, 2))
    lab.run()
    (ending,) = endings(lab)
    best = max(lab.events(AnalysisReady), key=lambda envelope: cast("AnalysisReady", envelope.event).fitness)
    assert ending.analysed == len(lab.events(AnalysisReady))
    assert ending.analysed + ending.failed + ending.rejected == 11
    assert ending.best == best.experiment


def test_different_seeds_propose_different_sources(archive: Archive) -> None:
    """Campaigns that differ in their seed alone have different sources."""
    sources = []
    for seed in (1, 2):
        lab = Laboratory(archive, f"seed-{seed}", Random(0))
        lab.start(started(seed, 3, 1))
        lab.run()
        proposals = [cast("ProposalCreated", envelope.event) for envelope in lab.events(ProposalCreated)]
        sources.append([proposal.source for proposal in proposals[3:]])
    assert sources[0] != sources[1]


def test_no_more_than_k_slots_are_under_way(archive: Archive) -> None:
    """At any position of the log, at most settled + K slots have been opened."""
    for slots in (1, 2, 4):
        lab = Laboratory(archive, f"width-{slots}", Random(slots))
        lab.start(started(slots, 6, slots))
        lab.run()
        for envelope in lab.events(ProposalRequested):
            status = lab.status(envelope.seq)
            assert status.opened <= status.settled + slots


def test_analyses_wait_for_the_last_baseline(archive: Archive) -> None:
    """No fitness is published before every baseline is trained or has failed."""
    lab = Laboratory(archive, "waits", Random(5))
    lab.start(started(5, 4, 4))
    lab.run()
    baselines = slot_names(0, BASELINES)
    settled = [
        envelope.seq
        for envelope in lab.log
        if envelope.experiment in baselines
        and (type(envelope.event) is RunCompleted or (isinstance(envelope.event, CodeFailed) and envelope.event.final))
    ]
    assert len(settled) == 3
    assert min(envelope.seq for envelope in lab.events(AnalysisReady)) > max(settled)


def test_a_raised_budget_reopens_a_finished_campaign(archive: Archive) -> None:
    """It resumes the campaign, which finishes again with the new number."""
    lab = Laboratory(archive, "reopened", Random(3), NO_FAULTS)
    lab.start(started(3, 2, 2))
    lab.cues.append((lambda envelope: type(envelope.event) is CampaignFinished, "budget 5"))
    lab.run()
    types = [envelope.type for envelope in lab.log if envelope.experiment == CAMPAIGN]
    types = [name for name in types if name.startswith("Campaign")]
    assert types == ["CampaignStarted", "CampaignFinished", "CampaignResumed", "CampaignFinished"]
    assert lab.ends() == dict.fromkeys(slot_names(5, BASELINES), 1)


def test_no_slot_is_opened_after_a_stop(archive: Archive) -> None:
    """Runs under way continue."""
    lab = Laboratory(archive, "stopped", Random(4), NO_FAULTS)
    lab.start(started(4, 50, 2))
    lab.cues.append((request_of("e0002"), "stop"))
    lab.run()
    (ending,) = lab.events(CampaignFinished)
    assert [ending.reason for ending in endings(lab)] == ["stopped"]
    assert not [envelope for envelope in lab.events(ProposalRequested) if envelope.seq > ending.seq + 10]
    assert lab.status().opened < 53


def test_guidance_reaches_the_next_proposal(archive: Archive) -> None:
    """The requests and proposals after a person's message have its text unchanged."""
    lab = Laboratory(archive, "guided", Random(6), NO_FAULTS)
    lab.start(started(6, 5, 1))
    lab.cues.append((request_of("e0001"), "prefer a sliding window"))
    lab.run()
    guidance = {
        envelope.experiment: cast("ProposalCreated", envelope.event).guidance
        for envelope in lab.events(ProposalCreated)
    }
    assert guidance["e0001"] == ()
    assert guidance["e0005"] == ("prefer a sliding window",)


def test_every_slot_is_requested_by_one_decision(archive: Archive) -> None:
    """If many decisions are under way at once, each slot is still requested by one of them alone."""
    lab = Laboratory(archive, "singly", Random(7), ANY_ORDER)
    lab.start(started(7, 24, 8, baselines=0))
    lab.run()
    posts = [post for decision in lab.decided.values() for post in decision]
    requested = [post.experiment for post in posts if type(post.event) is ProposalRequested]
    assert sorted(requested) == sorted(slot_names(24, ()))


class GivingUpDirector(Director):
    """A director that gives up its decisions on some events."""

    def __init__(self, fatal: Callable[[Envelope], bool]) -> None:
        self._fatal = fatal

    def decide(self, envelope: Envelope) -> Decision:
        """Give the decision up if the event is fatal; make any other."""
        if self._fatal(envelope):
            return self.give_up(envelope, "ill")
        return (yield from super().decide(envelope))


def with_giving_up_director(archive: Archive, name: str, seed: int, fatal: Callable[[Envelope], bool]) -> Laboratory:
    """Return a campaign whose director gives up its decisions on some events."""
    lab = Laboratory(archive, f"{name}-{seed}", Random(seed), ANY_ORDER)
    lab.replace_role("director", GivingUpDirector(fatal))
    return lab


def is_pause(envelope: Envelope) -> bool:
    """Tell whether an event pauses the campaign."""
    return isinstance(envelope.event, CampaignPaused)


@pytest.mark.parametrize("seed", range(4))
def test_a_resumption_opens_the_slot_of_a_decision_given_up(archive: Archive, seed: int) -> None:
    """The slot stays closed until a person resumes the campaign, which then makes every experiment of its plan."""

    def fatal(envelope: Envelope) -> bool:
        return type(envelope.event) is AnalysisReady and envelope.experiment == "e0002"

    lab = with_giving_up_director(archive, "resumed", seed, fatal)
    lab.cues.append((is_pause, "resume"))
    lab.start(started(seed, 12, 4))
    lab.run()
    assert lab.status().finished
    assert lab.ends() == dict.fromkeys(slot_names(12, BASELINES), 1)


def settles_last_slot(lab: Laboratory, envelope: Envelope) -> bool:
    """Tell whether an event settles the last of nine slots."""
    status = lab.status(envelope.seq)
    ends = isinstance(envelope.event, AnalysisReady | CodeFailed | ProposalRejected)
    return ends and status.settled == 9 and not status.unsettled


@pytest.mark.parametrize("seed", range(4))
def test_a_campaign_ends_even_if_the_decision_on_its_last_settlement_is_given_up(archive: Archive, seed: int) -> None:
    """The decision on the pause that follows ends the campaign."""
    lab = with_giving_up_director(archive, "unended", seed, lambda envelope: settles_last_slot(lab, envelope))
    lab.start(started(seed, 6, 4))
    lab.run()
    assert [envelope.type for envelope in lab.log[-2:]] == ["CampaignPaused", "CampaignFinished"]
    assert lab.ends() == dict.fromkeys(slot_names(6, BASELINES), 1)


@pytest.mark.parametrize("text", ["resume", "stop", "pause", "budget 6"])
def test_a_persons_message_ends_the_campaign_if_that_decision_is_given_up_too(archive: Archive, text: str) -> None:
    """Any message leads to the one ending."""

    def fatal(envelope: Envelope) -> bool:
        return settles_last_slot(lab, envelope) or is_pause(envelope)

    lab = with_giving_up_director(archive, f"unheard-{text[:3]}", 1, fatal)
    lab.cues.append((is_pause, text))
    lab.start(started(1, 6, 4))
    lab.run()
    (ending,) = endings(lab)
    assert (ending.reason, ending.analysed + ending.failed + ending.rejected) == ("budget_spent", 9)


def test_after_decisions_given_up_a_raised_budget_resumes_the_campaign(archive: Archive) -> None:
    """The ending is published after the further experiments."""

    def fatal(envelope: Envelope) -> bool:
        return settles_last_slot(lab, envelope) or is_pause(envelope)

    lab = with_giving_up_director(archive, "raised", 1, fatal)
    lab.cues.append((is_pause, "budget 8"))
    lab.cues.append((lambda envelope: isinstance(envelope.event, HumanMessage), "resume"))
    lab.start(started(1, 6, 4))
    lab.run()
    assert len(endings(lab)) == 1
    assert lab.ends() == dict.fromkeys(slot_names(8, BASELINES), 1)


def test_a_stop_whose_decision_is_given_up_still_ends_the_campaign(archive: Archive) -> None:
    """The decision on the pause that follows ends the campaign."""
    lab = with_giving_up_director(archive, "unstopped", 1, lambda envelope: isinstance(envelope.event, HumanMessage))
    lab.cues.append((request_of("e0002"), "stop"))
    lab.start(started(1, 50, 4))
    lab.run()
    assert [ending.reason for ending in endings(lab)] == ["stopped"]
    assert lab.status().opened < 53
