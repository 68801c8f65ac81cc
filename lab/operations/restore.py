"""Restores a backup: an empty home, or the streams of an empty server, become the lab that was backed up.

The durable consumers begin where they had acknowledged everything. What was delivered after that, and maybe handled, is
delivered once more: it leads to the same ids, which the stream drops.
"""

import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nats.js.errors import NotFoundError

from bus.audit import chain
from bus.delivery.bus import Bus
from bus.nats import server, snapshots
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.wire import subjects
from lab.client import connection
from lab.client.lab_client import LabClient
from lab.errors import LabError
from lab.home import Home
from lab.operations import backup
from lab.operations.backup_manifest import Manifest, snapshot_path
from lab.operations.log_export import read_stream
from lab.operations.verify import archived_campaigns
from lab.roster import all_durables
from lab.settings import Settings


@dataclass(frozen=True, slots=True)
class RestoreSummary:
    """What was restored."""

    home: str
    campaign: str
    events: int
    verified: int
    """Events that match the recorded chain; the newest may not be recorded in it yet."""
    weights: int
    server: str | None
    """URL of the server that has the streams; None for the home's own."""


async def restore(settings: Settings, source: Path) -> RestoreSummary:
    """Restore a backup into the home and, if the settings name a server, its streams to that server.

    Raises LabError; the home is then as empty as before.
    """
    home = Home(settings.home)
    home.require_empty()
    with _unpacked(source) as folder:
        manifest = Manifest.read(folder)
        with home.filled():
            return await _restore(settings, home, folder, manifest)


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """Yield the folder of a backup. Raises LabError."""
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="move37-restore-") as name:
        try:
            with tarfile.open(source) as tar:
                tar.extractall(name, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise LabError(f"{source} is no backup ({error}); hint: move37 backup writes a folder or a .tar") from None
        yield Path(name)


async def _restore(settings: Settings, home: Home, folder: Path, manifest: Manifest) -> RestoreSummary:
    """Fill an empty home and the streams, and verify the log."""
    weights = backup.copy_files(folder / backup.ARTIFACTS_FOLDER, home.artifacts)
    backup.copy_files(folder / backup.RESEARCHERS_FOLDER, home.researchers)
    if (folder / backup.KEYS_FOLDER).is_dir():
        backup.copy_keys(folder / backup.KEYS_FOLDER, home.keys)
    if (folder / backup.CHAIN_FILE).exists():
        shutil.copyfile(folder / backup.CHAIN_FILE, home.chain)
    async with _empty_server(settings, home) as transport:
        for name, snapshot in manifest.streams.items():
            with snapshot_path(folder, name).open("rb") as file:
                await snapshots.restore_snapshot(transport.client, snapshot, file, settings.replicas)
        js = transport.client.jetstream()
        for durable in all_durables():
            await snapshots.place_consumer(js, durable, manifest.ack_floors.get(durable.name, 0))
        verified = await _verify(transport, home)
    for record in reversed(manifest.campaigns):
        home.record_campaign(dict(record))
    events = manifest.streams[subjects.LOG].messages
    return RestoreSummary(str(home.root), manifest.campaign, events, verified, weights, settings.nats)


@asynccontextmanager
async def _empty_server(settings: Settings, home: Home) -> AsyncIterator[NatsTransport]:
    """Yield a connection to the named server, or to the home's own while the context lasts. Raises LabError."""
    if settings.nats is None:
        async with server.run_server(home.nats, home.authorization()) as url:
            transport = await connection.connect(settings, access.ADMIN, url, seeds=home.keys)
            try:
                yield transport
            finally:
                await transport.close()
        return
    transport = await connection.connect(settings, access.ADMIN, settings.nats)
    try:
        js = transport.client.jetstream()
        for stream in subjects.STREAMS:
            with suppress(NotFoundError):
                await js.stream_info(stream.name)
                raise LabError(
                    f"{connection.redact_url(settings.nats)} has a stream {stream.name}; hint: name an empty server"
                )
        yield transport
    finally:
        await transport.close()


async def _verify(transport: NatsTransport, home: Home) -> int:
    """Return how many messages match the restored chain, 0 without one. Raises LabError if one differs."""
    if not home.chain.exists():
        return 0
    messages = await read_stream(LabClient(Bus(transport, access.ADMIN), "", ""))
    result = chain.verify_chain(chain.read_chain(home.chain), messages, archived_campaigns(messages))
    if result.first_difference is not None:
        raise LabError(
            f"position {result.first_difference} of the backup's log {result.detail}; hint: take another backup"
        )
    return result.matched
