"""What steers a campaign at a position of its log: its start, with what forks have changed since."""

from collections.abc import Iterable

from bus.vocabulary.events import CampaignForked, CampaignStarted
from bus.wire.envelope import Envelope


def in_force(events: Iterable[Envelope], at: int | None = None) -> CampaignStarted | None:
    """Return what steered a campaign at a position, by default at the end; None before its start.

    - `events`: of that campaign, in the order of the log; only its start and its forks matter.
    """
    started: CampaignStarted | None = None
    for one in events:
        if at is not None and one.seq > at:
            break
        if isinstance(one.event, CampaignStarted):
            started = one.event
        elif isinstance(one.event, CampaignForked) and started:
            started = one.event.applied_to(started)
    return started
