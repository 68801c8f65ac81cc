"""The verdict on a claim: what is confirmed, what is refuted, and which seeds come next."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from agents.analysis.evidence.stream import adjusted_p, admits, holm, level, share
from agents.analysis.evidence.verdict import ClaimPlan, PairedGains, RungGains, RungPlan, judge
from bus.vocabulary.events import Limits, Rung

LOOKS = (5, 10, 20, 40)
PLAN = ClaimPlan((RungPlan("nano", 0.0, LOOKS), RungPlan("micro", 0.0, LOOKS)))
SD = 0.02
LEVEL = 0.025


def measured(rung: str, seeds: int, *means: float, sd: float = SD, start: int = 0) -> RungGains:
    """Return gains over one baseline per mean, with exactly that mean and standard deviation."""
    rng = np.random.default_rng(start)
    against = []
    for number, mean in enumerate(means):
        draws = rng.standard_normal(seeds)
        scaled = mean + sd * (draws - draws.mean()) / draws.std(ddof=1)
        against.append(PairedGains(f"baseline-{number}", tuple(scaled.tolist())))
    return RungGains(rung, tuple(range(seeds)), tuple(against))


def test_a_new_claim_asks_for_the_first_look_of_the_first_rung() -> None:
    """Before any gain, the evidence is 1: none."""
    verdict = judge(PLAN, LEVEL, [])
    assert (verdict.outcome, verdict.next_rung, verdict.next_seeds) == ("go on", "nano", 5)
    assert (verdict.e_value, verdict.adjusted_p) == (1.0, 1.0)


def test_an_open_rung_asks_for_its_next_look() -> None:
    """Between looks, any number of seeds may be judged."""
    for seeds, look in ((5, 10), (7, 10), (10, 20), (20, 40)):
        verdict = judge(PLAN, LEVEL, [measured("nano", seeds, 0.008)])
        assert (verdict.outcome, verdict.next_rung, verdict.next_seeds) == ("go on", "nano", look)


def test_a_passed_rung_leads_to_the_next_one_and_the_last_to_a_discovery() -> None:
    """A claim needs every rung of its plan."""
    nano = measured("nano", 20, 0.03, 0.03)
    first = judge(PLAN, LEVEL, [nano])
    assert (first.outcome, first.next_rung, first.next_seeds) == ("go on", "micro", 5)
    assert first.adjusted_p == 1.0
    both = judge(PLAN, LEVEL, [nano, measured("micro", 20, 0.03, start=1)])
    assert both.outcome == "confirmed"
    assert both.adjusted_p == pytest.approx(PLAN.alpha / LEVEL / both.e_value)
    assert both.adjusted_p <= PLAN.alpha


def test_one_baseline_that_is_not_beaten_is_enough_to_refute() -> None:
    """The hardest baseline decides, however far the others are behind."""
    verdict = judge(PLAN, LEVEL, [measured("nano", 40, 0.05, 0.001, 0.05)])
    assert verdict.outcome == "refuted"
    assert verdict.rungs[0].hardest.baseline == "baseline-1"
    assert "baseline-1 at nano is not shown" in verdict.reason


def test_a_claim_without_prospects_ends_early() -> None:
    """Futility needs no last look; a plan may switch it off."""
    gains = [measured("nano", 10, -0.01)]
    assert judge(PLAN, LEVEL, gains).rungs[0].state == "futile"
    patient = ClaimPlan(PLAN.rungs, futility=0.0)
    assert judge(patient, LEVEL, gains).outcome == "go on"


def test_a_rung_whose_baseline_lost_seeds_still_has_a_last_look() -> None:
    """With 38 of 40 seeds and no further ones, the claim ends one way or the other."""
    strong, weak = (replace(measured("nano", 38, mean), final=True) for mean in (0.02, 0.0))
    assert judge(PLAN, LEVEL, [strong]).next_rung == "micro"
    assert judge(PLAN, LEVEL, [weak]).outcome == "refuted"
    assert judge(PLAN, LEVEL, [replace(weak, final=False)]).outcome != "confirmed"


def test_a_passed_rung_has_its_lower_bound_above_the_margin() -> None:
    """The evidence reaches 1/level exactly when the confidence bound reaches the margin."""
    for mean in np.linspace(0.0, 0.03, 31):
        for seeds in (10, 20, 40):
            plan = ClaimPlan((RungPlan("nano", 0.005, LOOKS),))
            rung = judge(plan, LEVEL, [measured("nano", seeds, float(mean))]).rungs[0]
            low = rung.hardest.low
            assert (rung.state == "passed") == (low is not None and low > 0.005)


def test_documents_that_disagree_withhold_a_pass() -> None:
    """A gain that rests on a few blocks of text is none on other text."""
    rng = np.random.default_rng(3)
    seeds = 20
    by_block = np.array([0.4, *[-0.01] * 9])
    blocks = by_block + SD * rng.standard_normal((seeds, 1)) / 4
    pair = PairedGains("baseline", tuple(blocks.mean(axis=1).tolist()), _rows(blocks))
    rung = judge(PLAN, LEVEL, [RungGains("nano", tuple(range(seeds)), (pair,))]).rungs[0]
    assert rung.hardest.e_value > 1 / LEVEL
    assert rung.hardest.document_interval is not None
    assert rung.hardest.document_interval.low < 0
    assert rung.state == "open"


@pytest.mark.parametrize("looks", [(5, 6), (1, 3), (5, 5), (10, 5), (5, 10, 11)])
def test_looks_that_no_test_can_judge_are_refused(looks: tuple[int, ...]) -> None:
    """The last look tests the seeds since the one before, so it needs two of them."""
    with pytest.raises(ValueError, match="look"):
        Rung(scale="nano", climbers=1, looks=looks, limits=Limits(seconds=1, memory_mb=1))


def _rows(blocks: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in blocks.tolist())


@pytest.mark.parametrize(
    ("gains", "message"),
    [
        (RungGains("base", (1, 2), (PairedGains("b", (0.1, 0.2)),)), "no rung 'base'"),
        (RungGains("nano", (1, 2), ()), "needs one to beat"),
        (RungGains("nano", (1, 2, 3), (PairedGains("b", (0.1, 0.2)),)), "2 gains for 3 seeds"),
    ],
)
def test_gains_that_do_not_fit_the_plan_are_an_error(gains: RungGains, message: str) -> None:
    """A verdict on less than the plan says would be no verdict."""
    with pytest.raises(ValueError, match=message):
        judge(PLAN, LEVEL, [gains])


def test_candidates_share_alpha_evenly_and_a_discovery_raises_the_others() -> None:
    """So e-LOND spends α once, however the candidates depend on each other."""
    assert sum(level(0.05, candidates=8) for _ in range(8)) == pytest.approx(0.05)
    assert level(0.05, candidates=8, discoveries=2) == pytest.approx(3 * level(0.05, candidates=8))
    assert level(0.05, candidates=8, discoveries=40) == 0.05


def test_a_plan_admits_each_structure_once_and_no_more_than_it_planned() -> None:
    """A near-duplicate is no further chance, and a campaign can't verify until one passes."""
    assert admits(["a", "b"], "c", 3)
    assert not admits(["a", "b"], "a", 3)
    assert not admits(["a", "b", "c"], "d", 3)


def test_adjusted_p_values() -> None:
    """Holm's example of four; e-LOND's p is the α at which an e-value crosses its level."""
    assert _rounded(holm([0.01, 0.04, 0.03, 0.005])) == [0.03, 0.06, 0.06, 0.02]
    assert adjusted_p(160.0, share(candidates=8)) == pytest.approx(0.05)
    assert adjusted_p(0.0, 0.5) == 1.0


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]
