"""Backups: everything that a lab can't derive, in a folder or a tar file; and a new home or server made from one.

A backup holds a snapshot of each stream (`bus.nats.snapshots`), the places of the durable consumers, the chain of the
log, the weights, the logs of evolved researchers and, if asked for, the keys. Memory is made from the log again. Loss
points are left out: they live for a day. While the lab runs, what is read later never depends on more than what was
read before: first the chain, then the consumers, then the streams, then the weights.
"""

import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.nats import snapshots
from bus.nats.snapshots import StreamSnapshot
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.wire import subjects
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.operations.backup_manifest import STREAMS, Manifest, digest_of, snapshot_path
from lab.roster import all_durables
from lab.settings import Settings

TAR_SUFFIX = ".tar"
CHAIN_FILE = "log.chain"
ARTIFACTS_FOLDER, RESEARCHERS_FOLDER, KEYS_FOLDER = "artifacts", "researchers", "keys"


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """The content of a backup."""

    path: str
    campaign: str
    """The campaign of the lab's home; empty if it has none."""
    events: int
    last_seq: int
    """Position of the log's newest event."""
    weights: int
    """Files of the artifacts."""
    keys: bool


async def back_up(settings: Settings, target: Path, *, keys: bool) -> BackupSummary:
    """Back up the lab that the settings name into a folder, or a file if its name ends with `.tar`. Raises LabError."""
    if target.exists():
        raise LabError(f"{target} exists; hint: name a new file or folder")
    home = Home(settings.home)
    if keys and not home.keys.is_dir():
        raise LabError(f"{home.root} has no keys; hint: leave out --keys")
    try:
        with _complete_or_absent(target) as folder:
            if home.chain.exists():
                shutil.copyfile(home.chain, folder / CHAIN_FILE)
            manifest = await _snapshot(settings, folder, home.campaigns())
            manifest.write(folder)
            weights = copy_files(home.artifacts, folder / ARTIFACTS_FOLDER)
            copy_files(home.researchers, folder / RESEARCHERS_FOLDER)
            if keys:
                copy_keys(home.keys, folder / KEYS_FOLDER)
    except OSError as error:
        raise LabError(f"can't write {target} ({error.strerror})") from None
    log = manifest.streams[subjects.LOG]
    return BackupSummary(str(target), manifest.campaign, log.messages, log.last_seq, weights, keys)


@contextmanager
def _complete_or_absent(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes the target, or a tar file of that name, when the context ends without an error."""
    folder = target.with_name(f"{target.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
        if target.suffix == TAR_SUFFIX:
            packed = target.with_name(f"{target.name}.packed.part")
            packed.touch(mode=0o600)
            with tarfile.open(packed, "w") as tar:
                tar.add(folder, arcname=".")
            packed.replace(target)
        else:
            folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _snapshot(settings: Settings, folder: Path, campaigns: Sequence[Mapping[str, Any]]) -> Manifest:
    """Write the streams' snapshots into a folder and return the manifest."""
    async with open_lab(settings, access.ADMIN) as client:
        transport = client.bus.transport
        assert isinstance(transport, NatsTransport)
        floors = await snapshots.ack_floors(transport.client.jetstream(), all_durables())
        streams: dict[str, StreamSnapshot] = {}
        for name in STREAMS:
            with snapshot_path(folder, name).open("wb") as file:
                streams[name] = await snapshots.write_snapshot(transport.client, name, file)
    digests = {name: digest_of(snapshot_path(folder, name)) for name in streams}
    return Manifest(campaigns, floors, streams, digests)


def copy_files(source: Path, target: Path) -> int:
    """Copy every file below a folder and return how many; those that a running lab removes meanwhile are left out."""
    copied = 0
    for path in sorted(source.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copy2(path, copy)
            copied += 1
        except FileNotFoundError:
            copy.unlink(missing_ok=True)
    return copied


def copy_keys(source: Path, target: Path) -> None:
    """Copy the seeds of all keys; only their owner can read the copies."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for seed in source.iterdir():
        copy = target / seed.name
        copy.touch(mode=0o600)
        copy.write_bytes(seed.read_bytes())
