"""Writes the dashboard of a campaign into one HTML file, from a lab or from an exported log."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bus.vocabulary.queries import Experiment
from bus.wire import subjects
from bus.wire.envelope import Envelope
from dashboard.bundle import bundle
from dashboard.history.history import CampaignHistory
from lab.client.event_text import event_text
from lab.client.session import open_lab
from lab.operations import replay, verify
from lab.operations.archive import read_experiments
from lab.operations.discovery_records import records, telling_positions
from lab.operations.log_export import read_stream, write_page
from lab.settings import Settings


async def export_page(settings: Settings, path: Path) -> Path:
    """Write the page of the settings' campaign, and return its path. Raises LabError."""
    async with open_lab(settings) as client:
        reader = await client.as_of()
        status, experiments = await reader.status(), await reader.experiments()
        messages = await read_stream(reader)
    verify.require_intact_lab(settings, messages)
    log = subjects.decode_events(messages)
    return _write(path, status.campaign, log, experiments, status.guidance)


def page_of_archive(file: Path, path: Path) -> Path:
    """Write the page of an exported log's first campaign, and return its path. Raises LabError."""
    log = replay.read_history(file)
    return _write(path, log[0].campaign, log, read_experiments(file), ())


def _write(
    path: Path, campaign: str, log: Sequence[Envelope], experiments: Iterable[Experiment], guidance: Sequence[str]
) -> Path:
    history, events = CampaignHistory(campaign, event_text), [each for each in log if each.campaign == campaign]
    for envelope in events:
        history.append(envelope)
    scores = {row.id: row.score for row in experiments if row.score is not None}
    standing = {"at": history.last, "scores": scores, "guidance": list(guidance)}
    page = bundle(history, events, standing, records(log, campaign, telling_positions(events)))
    return write_page(path, page)
