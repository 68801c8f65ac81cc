"""Imports a foreign history as experiments of a campaign: known, ranked apart, and no work for any role.

Each line becomes one ExperimentImported. Its id derives from the line, so a second import of the line adds nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bus.delivery.role import Post
from bus.security import access
from bus.vocabulary.events import ExperimentImported
from bus.wire.ids import campaign_id
from lab.client.human_input import find_campaign
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations.foreign_history import BadLine, Columns, read_history
from lab.runtime.campaign_choice import record_of, recorded_campaign, require_present
from lab.settings import Settings

MAX_BAD_LINES_SHOWN = 10
PUBLICATIONS_AT_ONCE = 64
"""Events that wait for the stream's acknowledgement at once: each one is synced to the disk before."""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did."""

    campaign: str
    lines: int
    """Lines with an experiment, bad ones not counted."""
    added: int
    """Those that the log did not have."""
    bad: int
    """Lines that were skipped."""
    seconds: float


class BadHistory(LabError):
    """Lines of a history can't be imported, and nothing was."""

    def __init__(self, file: Path, bad: Sequence[BadLine]) -> None:
        """Describe the bad lines of a file."""
        self.bad = bad
        lines = "1 line is" if len(bad) == 1 else f"{len(bad)} lines are"
        super().__init__(f"{file}: {lines} bad, and nothing was imported; hint: --skip-bad imports the others")


async def import_history(settings: Settings, file: Path, columns: Columns, *, skip_bad: bool) -> ImportSummary:
    """Import a history into the lab's campaign. Raises BadHistory, LabError."""
    start = time.monotonic()
    history = read_history(file, columns)
    if history.bad and not skip_bad:
        raise BadHistory(file, history.bad)
    events = history.events(columns.rank_by)
    if not events:
        raise LabError(f"{file} has no experiment to import")
    begin_campaign(settings)
    async with open_lab(settings, access.ADMIN) as client:
        campaign = client.campaign or await find_campaign(settings)
        await require_present(client.bus, campaign)
        added = await _publish(client, campaign, events)
    return ImportSummary(campaign, len(events), added, len(history.bad), round(time.monotonic() - start, 1))


def begin_campaign(settings: Settings) -> None:
    """Give a home without a campaign, or with archived ones, the one that `move37 run` starts with these settings.

    Raises LabError if that one was archived.
    """
    home = Home(settings.home)
    newest = home.campaign()
    goes_on = newest is not None and "archived" not in newest
    if settings.nats or goes_on or recorded_campaign(settings, home):
        return
    campaign = campaign_id(settings.seed, settings.scale, settings.campaign)
    if archived := home.campaign(settings.campaign or campaign):
        raise LabError(f"{archived['id']} was archived; hint: give another --campaign NAME or --seed")
    home.prepare()
    home.record_campaign(record_of(campaign, settings))


async def _publish(client: LabClient, campaign: str, events: Sequence[tuple[str, ExperimentImported]]) -> int:
    """Publish events about experiments and return how many were new."""
    added = 0
    for first in range(0, len(events), PUBLICATIONS_AT_ONCE):
        posts = (Post(experiment, event) for experiment, event in events[first : first + PUBLICATIONS_AT_ONCE])
        positions = await asyncio.gather(*(client.bus.publish(post, campaign) for post in posts))
        added += sum(position is not None for position in positions)
    return added
