"""A lab over a cluster of three servers, which loses the one that leads the log in the middle of a campaign."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from tests.chaos.cluster import NAMES, Cluster, cluster
from tests.support.endings import ends
from tests.support.labs import run_instant

EXPERIMENTS = 12
HALFWAY = 60
"""Events after which the leader dies."""


class Assassin:
    """Looks on as a screen does, and kills the leader of the log once."""

    def __init__(self, running: Cluster) -> None:
        self._running = running
        self._seen = 0
        self.victim: str | None = None

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count events."""
        self._seen += envelope is not None
        if self._seen >= HALFWAY and self.victim is None:
            self.victim = self._running.leader("n1")
            assert self.victim
            self._running.kill(self.victim)


@pytest.mark.timeout(240)
def test_the_loss_of_the_leader_costs_nothing(tmp_path: Path) -> None:
    """The campaign goes on by itself, every experiment ends once, and both servers left hold the same whole log."""
    with cluster(tmp_path) as running:
        assassin = Assassin(running)
        outcome = run_instant(
            tmp_path / "home", assassin, nats=running.url("n1"), replicas=3, allow_lazy_sync=True,
            experiments=EXPERIMENTS, slots=4,
        )  # fmt: skip
        left = [name for name in NAMES if name != assassin.victim]
        logs = [asyncio.run(_log(running.url(name))) for name in left]
    assert assassin.victim
    assert outcome.finished
    assert logs[0] == logs[1]
    ended = ends([subjects.decode_event(stored) for stored in logs[0]])
    assert ended == dict.fromkeys({row.id for row in outcome.experiments}, 1)
    assert len(ended) == 6 + EXPERIMENTS
    assert len({stored.subject for stored in logs[0] if "ProposalCreated" in stored.subject}) == 6 + EXPERIMENTS


async def _log(url: str) -> Sequence[StoredMessage]:
    """Return the log as one server serves it, after it is seen that each stream has three replicas."""
    transport = await NatsTransport.connect(url, name="examiner", wait=20.0)
    try:
        info = await transport._js.stream_info(subjects.LOG)
        assert info.config.num_replicas == 3
        found: list[StoredMessage] = []
        async for batch in transport.follow(subjects.LOG, 0):
            found += batch
            if found[-1].seq >= info.state.last_seq:
                break
        return found
    finally:
        await transport.close()
