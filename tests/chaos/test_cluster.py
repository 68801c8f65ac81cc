"""A lab on a cluster of three servers loses the server that leads the log, in the middle of a campaign."""

import asyncio
from pathlib import Path

import pytest

from bus.nats.transport import NatsTransport
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from tests.support.cluster import NAMES, Cluster, running_cluster
from tests.support.endings import ends
from tests.support.labs import run_instant, stored_messages

EXPERIMENTS = 12
EVENTS_BEFORE_KILL = 60


class LeaderKiller:
    """Kills the server that leads the log, once, after a number of events."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events = 0
        self.victim: str | None = None

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count an event, and kill the leader after the last one."""
        self._events += envelope is not None
        if self._events >= EVENTS_BEFORE_KILL and self.victim is None:
            self.victim = self._cluster.leader(NAMES[0])
            assert self.victim
            self._cluster.kill(self.victim)


@pytest.mark.timeout(240)
def test_the_loss_of_the_leader_loses_nothing(tmp_path: Path) -> None:
    """The campaign continues by itself, every experiment ends once, and both other servers hold the same whole log."""
    with running_cluster(tmp_path) as cluster:
        killer = LeaderKiller(cluster)
        outcome = run_instant(
            tmp_path / "home", killer, nats=cluster.url(NAMES[0]), replicas=3, allow_lazy_sync=True,
            experiments=EXPERIMENTS, slots=4,
        )  # fmt: skip
        survivors = [name for name in NAMES if name != killer.victim]
        logs = [asyncio.run(_replicated_log(cluster.url(name))) for name in survivors]
    assert killer.victim
    assert outcome.finished
    assert logs[0] == logs[1]
    counts = ends([subjects.decode_event(stored) for stored in logs[0]])
    assert counts == dict.fromkeys({row.id for row in outcome.results.experiments}, 1)
    assert len(counts) == 6 + EXPERIMENTS
    assert len({stored.subject for stored in logs[0] if "ProposalCreated" in stored.subject}) == 6 + EXPERIMENTS


async def _replicated_log(url: str) -> list[StoredMessage]:
    """Return the log as one server serves it, after checking that it has three replicas."""
    transport = await NatsTransport.connect(url, name="test", wait=20.0)
    try:
        info = await transport.client.jetstream().stream_info(subjects.LOG)
        assert info.config.num_replicas == 3
        messages = await stored_messages(transport)
        assert len(messages) >= info.state.messages
        return messages
    finally:
        await transport.close()
