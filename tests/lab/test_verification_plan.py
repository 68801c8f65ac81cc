"""The verification plan: derived from the budget, fixed at the start, and said in one line."""

from pathlib import Path
from typing import Any

import pytest

from bus.vocabulary.events import CampaignStarted
from lab.errors import LabError
from lab.operations import preflight
from lab.runtime.campaign_start import campaign_started
from lab.runtime.verification import added_share, announcement, is_plan_of, verification_plan
from lab.settings import Settings


def settings(experiments: int = 20, scale: str = "nano", **verification: Any) -> Settings:
    return Settings.model_validate({"experiments": experiments, "scale": scale, "verification": verification})


@pytest.mark.parametrize("experiments", [900, 1000, 2000, 5000, 20_000])
def test_a_derived_plan_stays_within_its_share(experiments: int) -> None:
    """The worst case counts: all places taken, no look ends a climb early."""
    wanted = settings(experiments)
    plan = verification_plan(wanted)
    assert plan is not None
    assert 0 < added_share(plan, wanted) <= 0.35
    assert [rung.scale for rung in plan.rungs] == ["nano", "micro"]
    assert plan.settlements[-1] == experiments


def test_a_placebo_climbs_if_the_share_allows_it() -> None:
    """Nobody asked for it, so it makes no plan dearer than the share; a number that was asked for stays."""
    plans = {number: verification_plan(settings(number)) for number in range(300, 2400, 100)}
    placebos = {number: plan.placebos for number, plan in plans.items() if plan}
    assert set(placebos.values()) == {0, 1}
    wanted = settings(20, candidates=1, placebos=2)
    plan = verification_plan(wanted)
    assert plan is not None
    assert plan.placebos == 2
    assert "and so do 2 placebos" in announcement(wanted)
    small = verification_plan(settings(20, candidates=1))
    assert small is not None
    assert small.placebos == 0


def test_a_campaign_without_placebos_is_resumed_with_the_settings_that_began_it() -> None:
    """It began before there were any; another number that a person gives is another plan."""
    wanted = settings(2000)
    plan = verification_plan(wanted)
    assert plan is not None
    earlier = plan.model_copy(update={"placebos": 0})
    assert plan != earlier
    assert is_plan_of(wanted, earlier)
    assert not is_plan_of(settings(2000, placebos=2), earlier)
    assert not is_plan_of(settings(2000, margin=0.01), earlier)


def test_learning_rates_are_tuned_if_the_share_allows_it() -> None:
    """A person's own list counts in any case, an empty one too, and a fixed plan keeps what nobody said."""
    small, large = verification_plan(settings(20, candidates=1)), verification_plan(settings(8000))
    assert small is not None
    assert large is not None
    assert (small.rates, large.rates) == ((), (0.5, 1.0, 2.0, 4.0))
    assert "each at its best of 0.5/1/2/4 times the learning rate" in announcement(settings(8000))
    assert is_plan_of(settings(8000), large.model_copy(update={"rates": ()}))
    wanted = verification_plan(settings(20, candidates=1, rates=(1.0, 3.0)))
    assert wanted is not None
    assert wanted.rates == (1.0, 3.0)
    assert added_share(wanted, settings(20)) > added_share(small, settings(20))


def test_a_larger_budget_verifies_more_and_with_more_seeds() -> None:
    plans = [verification_plan(settings(experiments)) for experiments in (400, 2000, 8000)]
    sizes = [(plan.rungs[0].looks[-1], len(plan.settlements)) for plan in plans if plan]
    assert sizes == sorted(set(sizes))
    assert len(sizes) == 3


def test_a_budget_too_small_verifies_nothing_and_says_so() -> None:
    """What the smallest plan would cost is in the same line."""
    assert verification_plan(settings(20)) is None
    line = announcement(settings(20))
    assert "too few to verify one within 35% more work" in line
    assert "--verify 1" in line


def test_a_person_may_verify_one_all_the_same() -> None:
    plan = verification_plan(settings(20, candidates=1))
    assert plan is not None
    assert (plan.settlements, plan.rungs[0].looks) == ((20,), (5,))


@pytest.mark.parametrize("wanted", [settings(20, candidates=0), settings(5000, candidates=0), settings(0)])
def test_verification_can_be_off(wanted: Settings) -> None:
    assert verification_plan(wanted) is None
    assert announcement(wanted) == "verification: off; scores stay screening scores"


def test_what_is_given_is_kept_and_recorded() -> None:
    """The log's first event holds the whole plan."""
    wanted = settings(12, candidates=3, rungs=("nano", "nano"), looks=(2, 4), margin=0.01, baselines=1, retries=0)
    started = CampaignStarted.model_validate_json(campaign_started(wanted).model_dump_json())
    plan = started.verification
    assert plan is not None
    assert plan.rung_names == ("nano-1", "nano-2")
    assert plan.settlements == (4, 8, 12)
    assert [rung.climbers for rung in plan.rungs] == [3, 1]
    assert (plan.margin, plan.baselines, plan.retries, plan.rungs[1].looks) == (0.01, 1, 0, (2, 4))


def test_a_scale_without_a_higher_one_on_its_device_is_climbed_twice() -> None:
    plan = verification_plan(settings(20, scale="micro", candidates=1))
    assert plan is not None
    assert plan.rung_names == ("micro-1", "micro-2")


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ({"looks": (5, 5)}, "looks are numbers of seeds that rise"),
        ({"looks": (1, 5)}, "the first at least 2"),
        ({"rungs": ("nano",)}, "at least 2 items"),
        ({"rungs": ("nano", "huge")}, "there is no scale 'huge'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_one_line(wanted: dict[str, Any], fault: str) -> None:
    with pytest.raises(LabError, match=fault) as refusal:
        verification_plan(settings(20, candidates=1, **wanted))
    assert str(refusal.value).startswith("[verification] ")
    assert "\n" not in str(refusal.value)


def test_too_little_sealed_text_is_found_before_the_campaign_starts(tmp_path: Path) -> None:
    """The larger rung needs more held-out text than the campaign's own scale."""
    text = tmp_path / "text"
    text.mkdir()
    for number in range(60):
        (text / f"{number}.txt").write_text(f"{number:02} " * 700)
    preflight._data(settings(20, candidates=0).model_copy(update={"data": text}))
    with pytest.raises(LabError, match="too little text"):
        preflight._data(settings(20, candidates=1).model_copy(update={"data": text}))
