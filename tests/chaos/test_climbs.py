"""Simulated campaigns that verify what they find: budgets hold, nothing is spent twice, a real gain reaches the top.

Faults, stops, vetoes and decisions that are given up come as in `test_simulation`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bus.vocabulary.events import (
    CampaignFinished,
    CampaignStarted,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    EvidenceReady,
    HumanMessage,
    PromotionDecided,
    RatesChosen,
    VerificationPlan,
    VerificationRequested,
)
from bus.wire.ids import BASELINE_PREFIX
from lab.operations.replay import rebuild
from memory.rows import PROJECTIONS
from tests.support.archive import Archive
from tests.support.campaign_checks import broken_rules
from tests.support.climb_checks import events_of, verification_of
from tests.support.climbing import (
    climbing_campaign,
    finished,
    finished_with_arms,
    laboratory,
    plant,
    plant_later_better,
    plant_rates,
    takes,
)
from tests.support.factories import verification_plan
from tests.support.simulated_campaigns import NO_FAULTS, started
from tests.support.simulation import STORM, Faults, Laboratory, caching

pytestmark = pytest.mark.timeout(900)
BLOCK = 20
"""Campaigns of a test; the first block is the quick test."""
BLOCKS = int(os.environ.get("CLIMBS", "100")) // BLOCK
"""Further blocks: of a hundred campaigns, or of as many as CLIMBS says (`make chaos`: a thousand)."""


@pytest.fixture(scope="module", autouse=True)
def _cached() -> Iterator[None]:
    with caching():
        yield


def _run_all(folder: Path, seeds: range) -> None:
    archive = Archive(folder)
    for seed in seeds:
        assert broken_rules(climbing_campaign(archive, seed)) == [], f"climb {seed}"
    assert archive.store.digest() == rebuild(archive.log)["digest"]


def test_a_climb_keeps_every_rule_under_every_schedule(tmp_path: Path) -> None:
    """Some campaigns of the test below."""
    _run_all(tmp_path, range(BLOCK))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_many_climbs_keep_every_rule(tmp_path: Path, block: int) -> None:
    """After twenty campaigns in one log, their memory, which crashed several times, equals one rebuilt from it."""
    _run_all(tmp_path, range(BLOCK + block, BLOCK + BLOCK * BLOCKS, BLOCKS))


@pytest.fixture
def gain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Every design is better than every baseline by this many nats per byte."""
    plant(monkeypatch, request.param)
    return request.param


@pytest.mark.parametrize("gain", [0.15], indirect=True)
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("faults", [NO_FAULTS, STORM], ids=["calm", "storm"])
def test_a_real_gain_climbs_every_rung_from_a_cold_start(
    tmp_path: Path, gain: float, slots: int, faults: Faults
) -> None:
    """The first candidate takes the only place of the second rung; exactly as many climb as the plan says."""
    lab = finished(tmp_path, slots, faults)
    steps = events_of(lab, PromotionDecided)
    assert [step.place for step in steps if step.candidate and (step.rung, step.look) == (0, 0)] == [0, 1]
    assert {step.rung for step in steps} == {0, 1}
    (confirmed,) = events_of(lab, DiscoveryConfirmed)
    assert [figures.rung for figures in confirmed.rungs] == ["nano", "micro"]
    assert all(one.mean == pytest.approx(gain, abs=0.02) for figures in confirmed.rungs for one in figures.comparisons)
    assert broken_rules(lab) == []


@pytest.mark.parametrize("faults", [NO_FAULTS, STORM], ids=["calm", "storm"])
def test_a_gain_that_tuned_baselines_have_too_is_no_discovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults
) -> None:
    """At twice the learning rate the baselines are as good as the designs: without tuning, one is claimed."""
    plant_rates(monkeypatch, gain=0.15, best=2.0)
    untuned, tuned = (finished(tmp_path / str(len(r)), 2, faults, rates=r) for r in ((), (0.5, 1.0, 2.0)))
    assert len(events_of(untuned, DiscoveryConfirmed)) == 1
    assert not events_of(tuned, DiscoveryConfirmed)
    assert [one.reason for one in events_of(tuned, DiscoveryRefuted)] == ["evidence", "evidence"]
    for chosen in events_of(tuned, RatesChosen):
        assert {rate for name, rate in chosen.chosen.items() if name.startswith(BASELINE_PREFIX)} == {2.0}
    asked = [one for one in events_of(tuned, VerificationRequested) if not one.sealed]
    assert {one.rate for one in asked} == {0.5, 1.0, 2.0}
    assert len({one.seed for one in asked}) == 1
    assert broken_rules(tuned) == []


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("faults", [NO_FAULTS, STORM], ids=["calm", "storm"])
def test_the_better_candidate_gets_the_only_place_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int, faults: Faults
) -> None:
    """Two pass the lower rung; the later a design, the better it is. The first to pass waits for the other."""
    plant_later_better(monkeypatch)
    first, best = (finished(tmp_path / ascent, slots, faults, ascent=ascent) for ascent in ("first", "best"))
    for lab in (first, best):
        assert broken_rules(lab) == []
    if slots == 1 and faults is NO_FAULTS:
        assert climbers(first, rung=1) == climbers(first, rung=0)[:1]
    assert climbers(best, rung=1) == [max(climbers(best, rung=0))]


def climbers(lab: Laboratory, rung: int) -> list[str]:
    """Return the candidates of a rung, in the order in which they came to it."""
    return list(
        dict.fromkeys(one.candidate for one in events_of(lab, PromotionDecided) if one.candidate and one.rung == rung)
    )


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_a_tuned_gain_climbs_every_rung(tmp_path: Path, gain: float) -> None:
    """Each rung begins with its own rates."""
    lab = finished(tmp_path, 2, NO_FAULTS, rates=(0.5, 1.0))
    assert len(events_of(lab, DiscoveryConfirmed)) == 1
    assert {chosen.rung for chosen in events_of(lab, RatesChosen)} == {0, 1}
    assert broken_rules(lab) == []


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_a_placebo_climbs_with_seeds_of_its_own_and_is_no_discovery(tmp_path: Path, gain: float) -> None:
    """It is the best baseline, judged like the candidates, which pass while it does not."""
    lab = finished_with_arms(tmp_path, placebos=1)
    steps = [step for step in events_of(lab, PromotionDecided) if step.placebo_of]
    requests = {(one.experiment, one.event.run): one.event for one in lab.events(VerificationRequested)}
    own = [request for (name, _), request in requests.items() if name == "placebo-1"]
    others = [request for (name, _), request in requests.items() if name != "placebo-1"]
    best = steps[0].placebo_of
    assert best == steps[0].baselines[0]
    assert {one.source for one in own} == {one.source for one in others if one.run.startswith(f"{best}-v")}
    assert not {one.seed for one in own} & {one.seed for one in others}
    looks = [one.event for one in lab.events(EvidenceReady) if one.experiment == "placebo-1"]
    assert [look.outcome for look in looks][-1] == "failed"
    assert verification_of(lab).verdicts
    assert "placebo-1" not in {one.candidate for one in verification_of(lab).verdicts}
    assert broken_rules(lab) == []


def budget(plan: VerificationPlan, *parameters: int) -> VerificationPlan:
    """Return a plan with a budget of parameters for each rung; the instant trainer's models have 40,000."""
    rungs = zip(plan.rungs, parameters, strict=True)
    return plan.model_copy(update={"rungs": tuple(rung.model_copy(update={"parameters": n}) for rung, n in rungs)})


def of_size(folder: Path, *parameters: int) -> Laboratory:
    """Return a finished campaign whose rungs have these budgets."""
    lab = Laboratory(Archive(folder), "climb-7", Random(7), NO_FAULTS, sound_baselines=True)
    lab.start(started(7, 4, 2, 3, budget(verification_plan((1, 3)), *parameters)))
    lab.run()
    return lab


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_a_design_of_another_size_does_not_climb(tmp_path: Path, gain: float) -> None:
    """Its screening shows its size, so no run is spent on it; within 1 % it climbs."""
    lab = of_size(tmp_path, 42_000, 40_000)
    assert {step.candidate for step in events_of(lab, PromotionDecided)} == {None}
    assert events_of(lab, CampaignFinished)[-1].reason == "budget_spent"
    assert broken_rules(lab) == []


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_a_model_that_misses_the_budget_of_a_rung_is_no_discovery(tmp_path: Path, gain: float) -> None:
    """The verdict names the reason and the figures, however large the gain is."""
    lab = of_size(tmp_path, 40_300, 42_000)
    refuted = events_of(lab, DiscoveryRefuted)
    assert [(one.reason, len(one.rungs)) for one in refuted] == [("parameters", 1)]
    assert "its 40,000 parameters at micro are -4.8% from the budget of 42,000" in refuted[0].why
    assert not events_of(lab, DiscoveryConfirmed)
    assert broken_rules(lab) == []


def test_a_plan_without_placebos_reads_as_in_earlier_logs(tmp_path: Path) -> None:
    """The rows of its start and of its promotions lack later fields, so digests of such logs stay."""
    lab = finished(tmp_path, 2, NO_FAULTS)
    (start,), steps = lab.events(CampaignStarted), lab.events(PromotionDecided)
    rows = [projection.row(one) for one in (start, *steps) for projection in PROJECTIONS[one.type]]
    assert len(rows) > 2
    assert not [row for row in rows if any(name in str(row) for name in ("placebo", '"parameters"', "rate", "tunes"))]


@pytest.mark.parametrize("gain", [0.0, -0.05], indirect=True)
def test_designs_without_a_gain_are_refuted_and_the_campaign_ends(tmp_path: Path, gain: float) -> None:
    lab = finished(tmp_path, 3, STORM)
    assert not events_of(lab, DiscoveryConfirmed)
    assert [one.reason for one in events_of(lab, DiscoveryRefuted)] == ["evidence", "evidence"]
    assert events_of(lab, CampaignFinished)[-1].reason == "budget_spent"
    assert broken_rules(lab) == []


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_who_climbs_does_not_depend_on_faults(tmp_path: Path, gain: float) -> None:
    """With one slot the search is the same under every schedule, so its claims and verdicts are too."""
    calm, storm = (finished(tmp_path / name, 1, faults) for name, faults in (("calm", NO_FAULTS), ("storm", STORM)))
    climbers = [{step.candidate: step.place for step in events_of(lab, PromotionDecided)} for lab in (calm, storm)]
    assert climbers[0] == climbers[1]
    verdicts = [{one.candidate: one.confirmed for one in verification_of(lab).verdicts} for lab in (calm, storm)]
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_baselines_run_once_for_all_candidates(tmp_path: Path, gain: float) -> None:
    """Both candidates are compared with the same runs of the same baselines, on the same seeds."""
    lab = finished(tmp_path, 2, NO_FAULTS)
    requests = [one for one in events_of(lab, VerificationRequested) if one.run.startswith(BASELINE_PREFIX)]
    first_rung = [one for one in requests if "-v0-" in one.run and not one.repetition]
    assert len({one.run.split("-v")[0] for one in first_rung}) == 2
    assert len(first_rung) == len({one.run for one in first_rung}) <= 2 * 5
    by_seed = {one.seed for one in events_of(lab, VerificationRequested) if one.run.endswith("-v0-s0")}
    assert len(by_seed) == 1
    assert by_seed != {one.seed for one in events_of(lab, VerificationRequested) if one.run.endswith("-v1-s0")}


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_a_vetoed_candidate_climbs_no_further(tmp_path: Path, gain: float) -> None:
    """A person who vetoes the climbing candidate ends its climb without a verdict, and the campaign ends."""
    lab = laboratory(tmp_path, 2, NO_FAULTS)
    lab.cues.append((takes("e0001"), "veto e0001"))
    lab.run()
    vetoes = [one for one in lab.events(HumanMessage) if isinstance(one.event, HumanMessage)]
    candidate = events_of(lab, PromotionDecided)[0].candidate
    assert vetoes
    assert candidate == "e0001"
    assert "e0001" not in {one.candidate for one in verification_of(lab).verdicts}
    assert events_of(lab, CampaignFinished)[-1].reason == "budget_spent"
    assert broken_rules(lab) == []
