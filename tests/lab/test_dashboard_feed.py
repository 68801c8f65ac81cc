"""What the dashboard's feed tells of a campaign, from the events that it has read."""

from dataclasses import replace
from datetime import timedelta

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from lab.observability.dashboard_feed import DashboardFeed
from tests.support.recorded_lab import golden


def test_no_time_is_left_to_tell_once_all_experiments_have_ended() -> None:
    """Verification may run for long after the last of them; until then the time left is estimated."""
    log = golden("normal")
    feed = DashboardFeed(Bus(MemoryTransport(), "dashboard"), None, None)  # type: ignore[arg-type]
    told = []
    for envelope in log[:-1]:
        later = replace(envelope, time=envelope.time + timedelta(seconds=envelope.seq))
        feed._add(later, is_new=False)
        told.append(feed.vitals()["seconds_left"])
    assert log[-1].type == "CampaignFinished"
    assert any(told)
    assert 0 not in told
    assert told[-1] is None
