"""A backup may come from anybody: its manifest is read strictly, and a fault is one line."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.home import Home
from lab.operations.backup_manifest import MANIFEST_FILE, STREAMS, Manifest, snapshot_path
from lab.operations.restore import restore
from lab.settings import Settings

CAMPAIGN = {"id": "nano-0-0123", "seed": 0, "scale": "nano", "experiments": 5}


def body() -> dict[str, Any]:
    """Return a manifest of empty snapshots."""
    stream = {"state": {"messages": 2, "last_seq": 3, "bytes": 9}, "sha256": hashlib.sha256().hexdigest()}
    streams = {name: {**stream, "config": {"name": name, "subjects": ["lab.>"]}} for name in STREAMS}
    whole = {"format": 1, "campaigns": [CAMPAIGN], "ack_floors": {"desk": 2}, "streams": streams}
    return json.loads(json.dumps(whole))  # with no part in two places


def write(folder: Path, text: str) -> Path:
    """Write a backup of empty snapshots with this manifest."""
    folder.mkdir()
    for name in STREAMS:
        snapshot_path(folder, name).touch()
    (folder / MANIFEST_FILE).write_text(text)
    return folder


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What the server says of a stream stays whole. A backup of an older version has one campaign."""
    manifest = Manifest.read(write(tmp_path / "a", json.dumps(body())))
    assert (manifest.campaigns, manifest.ack_floors) == ([CAMPAIGN], {"desk": 2})
    assert manifest.streams["LAB_EVENTS"].state == {"messages": 2, "last_seq": 3, "bytes": 9}
    older = body()
    older["campaign"] = older.pop("campaigns")[0]
    write(tmp_path / "b", "")
    manifest.write(tmp_path / "b")
    for again in (tmp_path / "b", write(tmp_path / "c", json.dumps(older))):
        assert Manifest.read(again) == manifest


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "campaigns.0.id: ": lambda it: it["campaigns"][0].update(id="../../victim"),
    "campaigns.0.seed: ": lambda it: it["campaigns"][0].update(seed="0"),
    "campaigns: ": lambda it: it.update(campaigns={"id": "c"}),
    "ack_floors: ": lambda it: it.update(ack_floors=[]),
    "ack_floors.desk: ": lambda it: it["ack_floors"].update(desk="x"),
    "streams.LAB_HUMAN.state: ": lambda it: it["streams"]["LAB_HUMAN"].update(state=None),
    "streams.LAB_HUMAN.state.messages: ": lambda it: it["streams"]["LAB_HUMAN"]["state"].update(messages="many"),
    "streams.LAB_HUMAN.sha256: ": lambda it: it["streams"]["LAB_HUMAN"].pop("sha256"),
    "its streams are not LAB_EVENTS, ": lambda it: it["streams"].pop("LAB_EVENTS"),
    "its streams are not": lambda it: it["streams"]["LAB_HUMAN"]["config"].update(name="OTHER"),
    "format: ": lambda it: it.pop("format"),
}


@pytest.mark.parametrize("fault", CHANGES)
async def test_a_hostile_or_damaged_manifest_is_one_line(tmp_path: Path, fault: str) -> None:
    """No file is written, neither in the home nor next to it."""
    changed = body()
    CHANGES[fault](changed)
    source = write(tmp_path / "backup", json.dumps(changed))
    with pytest.raises(LabError, match=r"manifest\.json is damaged") as raised:
        await restore(Settings(home=tmp_path / "a" / "home"), source)
    assert f"({fault}" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not Home(tmp_path / "a").root.exists()


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 2}', "[" * 100_000])
def test_a_file_that_is_no_manifest_is_one_line(tmp_path: Path, text: str) -> None:
    """Whatever it holds."""
    with pytest.raises(LabError, match=r"is damaged|has format 2 of backups; this version reads 1") as raised:
        Manifest.read(write(tmp_path / "backup", text))
    assert "\n" not in str(raised.value)
