"""The log loses messages that roles had published and whose causes they had acknowledged: they publish them again."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
import structlog

from bus.audit.chain import ROOT, ChainLink
from bus.delivery.transport import Durable
from bus.nats.transport import NatsTransport
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from lab.client.session import open_lab
from lab.home import Home
from lab.roster import decider_specs
from lab.settings import Settings
from tests.support.kill_campaign import run_undisturbed, run_watched
from tests.support.outcome_faults import faults_of
from tests.support.power_cut import PowerCut, cut_power, lose_tail

PLAN = {"experiments": 10, "slots": 4, "seed": 1}
EVENTS_BEFORE_CUT = 60


@pytest.mark.timeout(180)
def test_a_campaign_goes_on_after_a_power_cut_that_shortened_its_log(tmp_path: Path) -> None:
    """It ends as if nothing had happened, every decision can be replayed, and one line says what did."""
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
    assert faults_of(outcome, PLAN["experiments"]) == []
    said = [line for line in lines if line["event"].startswith("the log lacks what its chain ends with")]
    assert len(said) == 1


async def test_a_command_on_the_stopped_lab_sees_the_loss_before_memory_cuts_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run could not know of it afterwards. A second command finds a chain that fits."""
    renewed: list[set[str]] = []

    async def renew(_: NatsTransport, durables: Iterable[Durable]) -> None:
        renewed.append({durable.name for durable in durables})

    monkeypatch.setattr(NatsTransport, "renew_consumers", renew)
    home = Home(tmp_path)
    home.prepare()
    home.record_campaign({"id": "nano-0-0123"})
    home.chain.write_text(str(ChainLink.of(ROOT, StoredMessage(1, "lab.events.c.e.T", b"lost"))))
    for _ in range(2):
        async with open_lab(Settings(home=tmp_path)) as client:
            await client.last_position()
    assert renewed == [{spec.durable.name for spec in decider_specs().values() if spec.durable}]
    assert home.chain.read_text() == ""
