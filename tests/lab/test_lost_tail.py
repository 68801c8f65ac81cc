"""The log loses messages that roles had published and whose causes they had acknowledged: they publish them again."""

import random
from pathlib import Path

import pytest
import structlog

from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from tests.support.kill_campaign import run_undisturbed, run_watched
from tests.support.outcome_faults import faults_of
from tests.support.power_cut import PowerCut, cut_power, lose_tail

PLAN = {"experiments": 10, "slots": 4, "seed": 1}
EVENTS_BEFORE_CUT = 60


@pytest.mark.timeout(180)
def test_a_campaign_goes_on_after_a_power_cut_that_shortened_its_log(tmp_path: Path) -> None:
    """It ends as if nothing had happened, every decision can be replayed, and one line says what did."""
    reference = run_undisturbed(tmp_path / "undisturbed", **PLAN)
    home, events = tmp_path / "home", 0

    def cut(_: CampaignView, envelope: Envelope | None) -> None:
        nonlocal events
        events += envelope is not None
        if events >= EVENTS_BEFORE_CUT:
            cut_power(home)

    with pytest.raises(PowerCut):
        run_watched(home, cut, **PLAN)
    assert lose_tail(Home(home), random.Random(1))
    with structlog.testing.capture_logs() as lines:
        outcome = run_undisturbed(home, **PLAN)
    assert faults_of(outcome, reference) == []
    said = [line for line in lines if line["event"].startswith("the log lacks what its chain ends with")]
    assert len(said) == 1
