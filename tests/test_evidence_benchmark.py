"""`benchmarks.evidence`, made small: the verdict against the usual table, on simulated campaigns."""

from benchmarks.evidence.campaigns import CANDIDATES, LOOKS, ClaimCampaign, Rule, World, by_eager_t, by_verdict
from benchmarks.evidence.coverage import coverage
from benchmarks.evidence.power import power, visible_gain
from benchmarks.evidence.roles import RoleWorld, outcomes

CAMPAIGNS = 20
EQUAL = World("equal to the best baseline", 0.0, worse_baselines=True)
PLANTED = World("one better by .025", 0.025)


def false_campaigns(rule: Rule) -> int:
    """Return in how many campaigns without a better design one is confirmed."""
    return sum(ClaimCampaign(EQUAL, seed).run(rule).false > 0 for seed in range(CAMPAIGNS))


def test_equal_designs_are_not_confirmed() -> None:
    """The verdict keeps its level under optional stopping; an eager t test claims something in most campaigns."""
    assert false_campaigns(by_verdict) <= 1
    assert false_campaigns(by_eager_t) > CAMPAIGNS // 2


def test_a_planted_design_is_confirmed() -> None:
    """Among near-duplicates and equal designs, at both rungs, against three baselines."""
    outcomes = [ClaimCampaign(PLANTED, seed).run(by_verdict) for seed in range(CAMPAIGNS)]
    assert sum(one.planted for one in outcomes) >= 0.9 * CAMPAIGNS
    assert sum(one.false for one in outcomes) == 0


def test_the_roles_find_a_planted_design_and_nothing_else() -> None:
    """Whole campaigns through director, researcher, engineer and analyst; training alone is simulated."""
    assert [one.planted for one in outcomes(RoleWorld("one better by .05", 0.05), 2)] == [True, True]
    assert [one.false for one in outcomes(RoleWorld("equal", 0.0, behind=0.1), 2)] == [0, 0]


def test_a_campaign_is_reproducible() -> None:
    """The same seed has the same outcome."""
    first, second = (ClaimCampaign(PLANTED, 3).run(by_verdict) for _ in range(2))
    assert first == second


def test_the_planned_gain_is_seen_with_its_power() -> None:
    """The formula that the plan uses agrees with the simulation."""
    share, seeds = power(LOOKS, visible_gain(LOOKS, 0.0, CANDIDATES), 0.0, CANDIDATES, 1000)
    assert 0.75 <= share <= 0.88
    assert 20 < seeds <= 40


def test_the_bootstrap_is_too_narrow_for_five_seeds() -> None:
    """So the interval over seeds and documents is the t interval."""
    covered = coverage(5, "normal", 400)
    assert covered["bootstrap over both"] < covered["t over seeds and documents"]
