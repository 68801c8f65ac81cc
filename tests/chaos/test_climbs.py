"""Simulated campaigns that verify what they find: budgets hold, nothing is spent twice, a real gain reaches the top.

Faults, stops, vetoes and decisions that are given up come as in `test_simulation`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from bus.vocabulary.events import (
    CampaignFinished,
    DiscoveryConfirmed,
    DiscoveryRefuted,
    HumanMessage,
    PromotionDecided,
    VerificationRequested,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX
from lab.operations.replay import rebuild
from tests.support import instant_trainer
from tests.support.archive import Archive
from tests.support.campaign_checks import broken_rules
from tests.support.climb_checks import events_of, verification_of
from tests.support.factories import verification_plan
from tests.support.simulated_campaigns import NO_FAULTS, message_cues, resume_cues, started, stop_cues
from tests.support.simulation import STORM, Faults, Laboratory, caching

QUICK, THOROUGH, BLOCKS = 20, 1000, 50
"""Campaigns of the quick test, and of the thorough one in so many blocks."""


@pytest.fixture(scope="module", autouse=True)
def _cached() -> Iterator[None]:
    with caching():
        yield


def climbing_campaign(archive: Archive, seed: int) -> Laboratory:
    """Return a campaign that has run: plan, people and faults depend on its seed."""
    plan = Random(f"climb {seed}")
    slots, experiments, baselines = 1 + plan.randrange(4), 2 + plan.randrange(5), 1 + plan.randrange(3)
    faults = Faults(STORM.death, STORM.twin, STORM.spread, STORM.memory_crash, plan.choice((0.0, 0.0, 0.1)))
    lab = Laboratory(archive, f"climb-{seed}", Random(seed), faults, sound_baselines=plan.random() < 0.7)
    kind = plan.random()
    lab.cues += message_cues(plan) if kind < 0.2 else stop_cues(plan, lab) if kind < 0.3 else []
    lab.cues += resume_cues() if faults.given_up else []
    if plan.random() < 0.2:
        lab.cues += [(_takes(name), f"veto {name}") for name in ("e0001", "e0002", "e0003")]
    settlements = tuple(sorted(plan.randrange(1, 6) for _ in range(1 + plan.randrange(4))))
    verification = verification_plan(
        settlements,
        climbers=(1 + plan.randrange(3), 1 + plan.randrange(2)),
        retries=plan.randrange(3),
        futility=plan.choice((0.0, 0.05)),
    )
    lab.start(started(seed, experiments, slots, baselines, verification))
    lab.run()
    return lab


def _takes(candidate: str) -> Callable[[Envelope], bool]:
    """Return the condition that an event takes a candidate up the ladder."""
    return lambda envelope: isinstance(envelope.event, PromotionDecided) and envelope.event.candidate == candidate


def _run_all(folder: Path, seeds: range) -> None:
    archive = Archive(folder)
    for seed in seeds:
        assert broken_rules(climbing_campaign(archive, seed)) == [], f"climb {seed}"
    assert archive.store.digest() == rebuild(archive.log)["digest"]


def test_a_climb_keeps_every_rule_under_every_schedule(tmp_path: Path) -> None:
    """Some campaigns of the test below."""
    _run_all(tmp_path, range(QUICK))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_thousand_climbs_keep_every_rule(tmp_path: Path, block: int) -> None:
    """After twenty campaigns in one log, their memory, which crashed several times, equals one rebuilt from it."""
    _run_all(tmp_path, range(QUICK + block, QUICK + THOROUGH, BLOCKS))


@pytest.fixture
def gain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Every design is better than every baseline by this many nats per byte, with the noise of the instant trainer."""
    better: float = request.param

    def loss(envelope: Envelope, _: object) -> float:
        return 2.0 if envelope.experiment.startswith(BASELINE_PREFIX) else 2.0 - better

    monkeypatch.setattr(instant_trainer, "_loss", loss)
    for chance in ("GATE_FAILURE", "ANOMALY", "BUSY"):
        monkeypatch.setattr(instant_trainer, chance, 0.0)
    return better


@pytest.mark.parametrize("gain", [0.15], indirect=True)
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("faults", [NO_FAULTS, STORM], ids=["calm", "storm"])
def test_a_real_gain_climbs_every_rung_from_a_cold_start(
    tmp_path: Path, gain: float, slots: int, faults: Faults
) -> None:
    """The first candidate takes the only place of the second rung; exactly as many climb as the plan says."""
    lab = _finished(tmp_path, slots, faults)
    steps = events_of(lab, PromotionDecided)
    assert [step.place for step in steps if step.candidate and (step.rung, step.look) == (0, 0)] == [0, 1]
    assert {step.rung for step in steps} == {0, 1}
    (confirmed,) = events_of(lab, DiscoveryConfirmed)
    assert [figures.rung for figures in confirmed.rungs] == ["nano", "micro"]
    assert all(one.mean == pytest.approx(gain, abs=0.02) for figures in confirmed.rungs for one in figures.comparisons)
    assert broken_rules(lab) == []


@pytest.mark.parametrize("gain", [0.0, -0.05], indirect=True)
def test_designs_without_a_gain_are_refuted_and_the_campaign_ends(tmp_path: Path, gain: float) -> None:
    lab = _finished(tmp_path, 3, STORM)
    assert not events_of(lab, DiscoveryConfirmed)
    assert [one.reason for one in events_of(lab, DiscoveryRefuted)] == ["evidence", "evidence"]
    assert events_of(lab, CampaignFinished)[-1].reason == "budget_spent"
    assert broken_rules(lab) == []


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_who_climbs_does_not_depend_on_faults(tmp_path: Path, gain: float) -> None:
    """With one slot the search is the same under every schedule, so its claims and verdicts are too."""
    calm, storm = (_finished(tmp_path / name, 1, faults) for name, faults in (("calm", NO_FAULTS), ("storm", STORM)))
    climbers = [{step.candidate: step.place for step in events_of(lab, PromotionDecided)} for lab in (calm, storm)]
    assert climbers[0] == climbers[1]
    verdicts = [{one.candidate: one.confirmed for one in verification_of(lab).verdicts} for lab in (calm, storm)]
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("gain", [0.15], indirect=True)
def test_baselines_run_once_for_all_candidates(tmp_path: Path, gain: float) -> None:
    """Both candidates are compared with the same runs of the same baselines, on the same seeds."""
    lab = _finished(tmp_path, 2, NO_FAULTS)
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
    lab = _laboratory(tmp_path, 2, NO_FAULTS)
    lab.cues.append((_takes("e0001"), "veto e0001"))
    lab.run()
    vetoes = [one for one in lab.events(HumanMessage) if isinstance(one.event, HumanMessage)]
    candidate = events_of(lab, PromotionDecided)[0].candidate
    assert vetoes
    assert candidate == "e0001"
    assert "e0001" not in {one.candidate for one in verification_of(lab).verdicts}
    assert events_of(lab, CampaignFinished)[-1].reason == "budget_spent"
    assert broken_rules(lab) == []


def _laboratory(folder: Path, slots: int, faults: Faults) -> Laboratory:
    folder.mkdir(exist_ok=True)
    lab = Laboratory(Archive(folder), "climb-7", Random(7), faults, sound_baselines=True)
    lab.start(started(7, 4, slots, 3, verification_plan((1, 3))))
    return lab


def _finished(folder: Path, slots: int, faults: Faults) -> Laboratory:
    lab = _laboratory(folder, slots, faults)
    lab.run()
    return lab
