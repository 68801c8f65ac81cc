"""Takes an ended campaign out of the log into a file, and reads experiments from such a file.

The file is what `move37 export-log` writes of that campaign alone: its events at their positions, its traces, and a
chain of its own. The log keeps one event of the campaign, CampaignArchived, which has the last hash of that chain. The
links of the purged positions stay in the log's chain, and the links of later messages cover them.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bus.audit import chain, log_file
from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.delivery.traces import traces_path
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.vocabulary.events import CampaignArchived, CampaignFinished, CampaignResumed, CampaignStarted
from bus.vocabulary.queries import AskExperiments, Experiment, Experiments
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, has_name
from bus.wire.stored_message import StoredMessage
from lab.client.lab_client import LabClient
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations import replay, verify
from lab.operations.log_export import read_stream, write_files
from lab.settings import Settings

PURGES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """What an archive holds."""

    campaign: str
    file: str
    """Its path."""
    events: int
    traces: int
    digest: str
    """The last hash of its chain, which CampaignArchived holds too."""


async def archive(settings: Settings, file: Path) -> ArchiveSummary:
    """Write the campaign that the settings name to a file and take it out of the log.

    An interrupted archive is continued if its file is there: `file`, or the recorded name in the same folder. Raises
    LabError unless the campaign has ended.
    """
    home = Home(settings.home)
    async with open_lab(settings, access.ADMIN) as client:
        summary = await _archive(client, settings, client.campaign, file)
    recorded = home.campaign()
    if recorded and recorded["id"] == summary.campaign:
        home.record_campaign(recorded | {"archived": str(Path(summary.file).resolve())})
    if not home.running() and not settings.nats:
        for derived in (home.database, Path(f"{home.database}.wal")):  # memory forgets the campaign: it is made again
            derived.unlink(missing_ok=True)
    return summary


async def _archive(client: LabClient, settings: Settings, campaign: str, file: Path) -> ArchiveSummary:
    """Verify the log, write the archive, and purge the campaign once the archive is complete."""
    transport = client.bus.transport
    assert isinstance(transport, NatsTransport)
    messages = await read_stream(client)
    chosen = [stored for stored in messages if subjects.campaign_of(stored.subject) == campaign]
    history = subjects.decode_events(chosen)
    _require_ended(campaign, history)
    await _require_purgeable(transport)
    verify.require_intact_lab(settings, messages)
    trace_subjects = {subjects.trace(envelope.id) for envelope in history}
    traces = [one for one in await read_stream(client, subjects.TRACES) if one.subject in trace_subjects]
    if record := _interrupted(history):
        file = _recorded_archive(file, record)
    else:
        record = _write(file, chosen, traces)
        await Bus(transport, access.ADMIN).publish(Post(CAMPAIGN, record), campaign)
    await _purge(transport, campaign, chosen, traces)
    kept = sum(1 for _ in log_file.read_payloads(traces_path(file)))
    return ArchiveSummary(campaign, str(file), record.events, kept, record.digest)


def _recorded_archive(file: Path, record: CampaignArchived) -> Path:
    """Return the path of the archive that a record is of: `file` or its neighbour. Raises LabError if neither is."""
    for path in (file, file.with_name(record.file)):
        if path.is_file():
            found = verify.verify_export(path)
            if found["intact"] and found["digest"] == record.digest:
                return path
    raise LabError(
        f"an interrupted archive wrote {record.file}, which {file.parent} does not have as it was; hint: give its path"
    )


def _write(file: Path, chosen: Sequence[StoredMessage], traces: Sequence[StoredMessage]) -> CampaignArchived:
    """Write the archive and return the record of it. Raises LabError."""
    if file.exists():
        raise LabError(f"{file} exists; hint: name a new file")
    links = list(chain.links_of(chosen))
    try:
        count = write_files(file, links, chosen, traces)
    except OSError as error:
        raise LabError(f"can't write {file} ({error.strerror})") from None
    return CampaignArchived(file=file.name, events=count, digest=links[-1].digest)


def _require_ended(campaign: str, history: Sequence[Envelope]) -> None:
    """Raise LabError unless the campaign is in the log and has ended."""
    kinds = (CampaignStarted, CampaignResumed, CampaignFinished, CampaignArchived)
    states = [envelope.event for envelope in history if isinstance(envelope.event, kinds)]
    if not states:
        raise LabError(f"the log has no campaign {campaign!r}")
    if isinstance(states[-1], CampaignArchived):
        if len(history) == 1:
            raise LabError(f"{campaign} was archived to {states[-1].file}")
    elif not isinstance(states[-1], CampaignFinished):
        raise LabError(f"{campaign} has not ended; hint: move37 say --kind stop, or let it finish")


def _interrupted(history: Sequence[Envelope]) -> CampaignArchived | None:
    """Return the record of an archive that was complete when its purge was interrupted; None if there is none."""
    return next((one.event for one in history if isinstance(one.event, CampaignArchived)), None)


async def _require_purgeable(transport: NatsTransport) -> None:
    """Raise LabError if a stream never lets go of a message."""
    for stream in (subjects.LOG, subjects.TRACES, subjects.HUMAN):
        if not await transport.may_purge(stream):
            raise LabError(
                f"{stream} is of an older lab and can't be purged; hint: move37 backup, then restore to a new home"
            )


async def _purge(
    transport: NatsTransport, campaign: str, chosen: Sequence[StoredMessage], traces: Sequence[StoredMessage]
) -> None:
    """Remove a campaign from every stream, its CampaignArchived excepted: last the events, which name the rest."""
    kept = f"lab.events.{campaign}.{CAMPAIGN}.{CampaignArchived.__name__}"
    gone = {stored.subject for stored in chosen} - {kept}
    inboxes = (subjects.human_inbox(campaign), subjects.human_inbox(campaign, "*"))
    targets = [(subjects.METRICS, f"lab.metrics.{campaign}.*"), *((subjects.HUMAN, inbox) for inbox in inboxes)]
    targets += [(subjects.TRACES, subject) for subject in sorted({stored.subject for stored in traces})]
    await _purge_all(transport, targets)
    await _purge_all(transport, [(subjects.LOG, subject) for subject in sorted(gone)])


async def _purge_all(transport: NatsTransport, targets: Sequence[tuple[str, str]]) -> None:
    """Purge subjects of streams, several at once."""
    for first in range(0, len(targets), PURGES_AT_ONCE):
        await asyncio.gather(*(transport.purge(*target) for target in targets[first : first + PURGES_AT_ONCE]))


def read_experiments(file: Path, *ids: str, campaign: str = "", at: int | None = None) -> tuple[Experiment, ...]:
    """Return the experiments of an exported log, now or as of a position: those named, or all in short form.

    They are those of a campaign, by its name or id, or of the first. Raises LabError if the log has no such campaign or
    position.
    """
    from memory.queries import Knowledge, answer
    from memory.store import Store

    history = replay.read_history(file)
    if at and at > history[-1].seq:
        raise LabError(f"the log has no position {at}; hint: its last one is {history[-1].seq}")
    known = dict.fromkeys(one.campaign for one in history)
    name = next((one for one in known if not campaign or has_name(one, campaign)), None)
    if name is None:
        raise LabError(f"{file} has no campaign {campaign!r}; it has {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply([one for one in history if not at or one.seq <= at])
        reply = answer(Knowledge(store), AskExperiments(campaign=name, ids=ids))
    assert isinstance(reply, Experiments)
    return reply.rows
