"""The facts about a backup, in its file `manifest.json`.

A backup may come from anybody, so a restoration reads them strictly: ids that are one token, since they name files of
the home; the lab's own streams and no others; numbers that are numbers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from bus.nats.snapshots import StreamSnapshot
from bus.wire import subjects
from bus.wire.envelope import TOKEN
from lab.errors import LabError

FORMAT = 1
MANIFEST_FILE = "manifest.json"
STREAMS = tuple(stream.name for stream in subjects.STREAMS if stream.name not in subjects.CACHES)
"""The streams of a backup."""


class _Strict(BaseModel):
    """Takes no value of another type for one of its own; keys that it does not name stay as they are."""

    model_config = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True)


class _BackupFormat(_Strict):
    """The version of the form of a manifest."""

    format: int


class _RecordedCampaign(_Strict):
    """What a home records of a campaign (`lab.runtime.campaign_choice.record_of`); an older one recorded less."""

    id: str = Field(pattern=TOKEN)
    seed: NonNegativeInt = 0
    scale: str = ""
    policy: str = ""
    experiments: NonNegativeInt = 0
    archived: str = ""


class _SnapshotState(_Strict):
    """What the server says of the messages in a snapshot."""

    messages: NonNegativeInt = 0
    last_seq: NonNegativeInt = 0


class _RecordedStream(_Strict):
    """A stream's snapshot, as the server needs it, and the SHA-256 of its file."""

    config: dict[str, Any]
    state: _SnapshotState
    sha256: str

    @property
    def snapshot(self) -> StreamSnapshot:
        """What the server needs to restore it."""
        return StreamSnapshot(self.config, self.state.model_dump(exclude_unset=True))


class _ManifestBody(_Strict):
    """The file's content."""

    campaigns: list[_RecordedCampaign] | None = None
    campaign: _RecordedCampaign | None = None
    """In an older backup in place of `campaigns`: the newest one alone."""
    ack_floors: dict[str, Annotated[int, Field(ge=0)]]
    streams: dict[str, _RecordedStream]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a backup."""

    campaigns: Sequence[Mapping[str, Any]]
    """The records that the home has of its campaigns, the newest first."""
    ack_floors: Mapping[str, int]
    """Consumer → the position up to which it had acknowledged everything."""
    streams: Mapping[str, StreamSnapshot]
    digests: Mapping[str, str]
    """Stream → SHA-256 of its snapshot's file."""

    @property
    def campaign(self) -> str:
        """The newest campaign; empty if the home has none."""
        return str(self.campaigns[0]["id"]) if self.campaigns else ""

    def write(self, folder: Path) -> None:
        """Write the file."""
        body = {
            "format": FORMAT,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "campaigns": self.campaigns,
            "ack_floors": self.ack_floors,
            "streams": {
                name: {"config": one.config, "state": one.state, "sha256": self.digests[name]}
                for name, one in self.streams.items()
            },
        }
        (folder / MANIFEST_FILE).write_text(json.dumps(body, indent=1))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return the manifest of a backup. Raises LabError if the folder holds none, or a damaged one."""
        body = _read_body(folder)
        campaigns = body.campaigns if body.campaigns is not None else [body.campaign] if body.campaign else []
        digests = {name: one.sha256 for name, one in body.streams.items()}
        for name, digest in digests.items():
            path = snapshot_path(folder, name)
            if not path.is_file() or digest_of(path) != digest:
                raise LabError(f"{path} is not what was backed up; hint: take another backup")
        return cls(
            [one.model_dump(exclude_unset=True) for one in campaigns],
            body.ack_floors,
            {name: one.snapshot for name, one in body.streams.items()},
            digests,
        )


def _read_body(folder: Path) -> _ManifestBody:
    """Return the content of a backup's manifest. Raises LabError."""
    path = folder / MANIFEST_FILE
    try:
        text = path.read_bytes()
        version = _BackupFormat.model_validate_json(text).format
        if version != FORMAT:
            raise LabError(f"{folder} has format {version} of backups; this version reads {FORMAT}")
        body = _ManifestBody.model_validate_json(text)
    except OSError as error:
        raise LabError(f"{folder} is no backup: can't read its {MANIFEST_FILE} ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "JSON"
        raise LabError(f"{path} is damaged ({place}: {first['msg']}); hint: take another backup") from None
    if set(body.streams) != set(STREAMS) or any(one.config.get("name") != name for name, one in body.streams.items()):
        raise LabError(f"{path} is damaged (its streams are not {', '.join(STREAMS)}); hint: take another backup")
    return body


def snapshot_path(folder: Path, stream: str) -> Path:
    """Return the path of a stream's snapshot in a backup."""
    return folder / f"{stream}.snapshot"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
