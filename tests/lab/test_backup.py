"""Backups of a lab, running or stopped: the restored one verifies, replays, and ends its campaign once."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bus.audit import log_file
from bus.delivery.replay import replay_role
from bus.nats import server
from bus.wire import subjects
from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.client.session import open_lab
from lab.operations import backup as backups
from lab.operations import replay
from lab.operations.backup_manifest import STREAMS, Manifest, snapshot_path
from lab.operations.log_export import export_log
from lab.roster import decider_specs
from lab.settings import LoadedSettings, Settings
from tests.support.endings import ends
from tests.support.labs import move37, run_instant, stored_messages

EXPERIMENTS = 16


def settings(home: Path, **options: Any) -> Settings:
    return LoadedSettings.load({"home": home, **options}).settings


def history(home: Path) -> list[Envelope]:
    """Export the log of a home next to it and return its events."""
    log = home.parent / f"{home.name}.jsonl"
    asyncio.run(export_log(settings(home), log))
    return list(log_file.read_log(log))


@dataclass
class BackedUp:
    """A finished campaign, with a backup from its middle and one from after its end."""

    home: Path
    middle: Path
    end: Path


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> BackedUp:
    """The backup from the middle was taken while the lab ran; files stand for weights and for a log of programs."""
    folder = tmp_path_factory.mktemp("backed-up")
    lab = BackedUp(folder / "home", folder / "middle", folder / "end.tar")
    taking: list[asyncio.Future[Any]] = []

    def watch(view: CampaignView, _: Envelope | None) -> None:
        if not taking and view.counts["AnalysisReady"] >= 8:
            (lab.home / "artifacts" / "e0001.safetensors").write_bytes(b"weights")
            (lab.home / "researchers").mkdir()
            (lab.home / "researchers" / "meta-1.jsonl").write_bytes(b"programs")
            taking.append(asyncio.ensure_future(backups.back_up(settings(lab.home), lab.middle, keys=False)))

    assert run_instant(lab.home, watch, experiments=EXPERIMENTS, slots=4).finished
    assert taking[0].result().weights == 1
    move37("backup", str(lab.end), "--keys", "--home", str(lab.home))
    return lab


@pytest.fixture(scope="module")
def restored(backed_up: BackedUp, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home restored from the middle of the campaign, which then ran to its end."""
    home = tmp_path_factory.mktemp("restored") / "home"
    summary = json.loads(move37("restore", str(backed_up.middle), "--home", str(home), "--json"))
    assert 0 < summary["verified"] <= summary["events"] < len(history(backed_up.home))
    assert (home / "artifacts" / "e0001.safetensors").read_bytes() == b"weights"
    assert (home / "researchers" / "meta-1.jsonl").read_bytes() == b"programs"
    assert run_instant(home, experiments=EXPERIMENTS, slots=4).finished
    return home


def test_a_restored_log_begins_with_the_same_bytes(backed_up: BackedUp, restored: Path) -> None:
    """Up to the end of the backup, every message is at its position."""
    last = Manifest.read(backed_up.middle).streams[subjects.LOG].last_seq
    old, new = history(backed_up.home), history(restored)
    assert new[:last] == old[:last]


def test_a_restored_campaign_repeats_nothing(restored: Path) -> None:
    """Every experiment ends once, every run completes once, and no event is in the log twice."""
    events = history(restored)
    assert set(ends(events).values()) == {1}
    assert len(ends(events)) >= EXPERIMENTS
    assert max(Counter(one.id for one in events).values()) == 1
    completed = Counter(one.event.run for one in events if one.type == "RunCompleted")  # type: ignore[attr-defined]
    assert max(completed.values()) == 1


def test_a_restored_log_verifies_and_replays(restored: Path) -> None:
    """Its chain continues the backup's, and every role decides the same on the whole log."""
    events = history(restored)
    assert move37("events", "--verify", "--home", str(restored)).startswith(f"{len(events)} messages match")
    traces = replay.traces_of(restored.parent / f"{restored.name}.jsonl")
    for spec in decider_specs().values():
        assert [str(difference) for _, difference in replay_role(spec, events, traces) if difference] == []


def test_a_finished_campaign_is_restored_as_finished(backed_up: BackedUp, tmp_path: Path) -> None:
    """No role decides anything again; with --keys, the keys are those of the home that was backed up."""
    home = tmp_path / "home"
    assert "events" in move37("restore", str(backed_up.end), "--home", str(home))
    for seed in (backed_up.home / "keys").iterdir():
        assert (home / "keys" / seed.name).read_bytes() == seed.read_bytes()
        assert (home / "keys" / seed.name).stat().st_mode & 0o077 == 0
    before = history(home)
    assert before == history(backed_up.home)
    assert run_instant(home, experiments=EXPERIMENTS, slots=4).finished
    assert history(home) == before
    decided = [line for log in home.glob("logs/*.log") for line in log.read_text().splitlines() if '"decided"' in line]
    assert decided == []


def test_keys_are_in_a_backup_only_if_asked_for(backed_up: BackedUp) -> None:
    """A backup without them can be kept where others read it; the restored home makes its own."""
    assert not (backed_up.middle / "keys").exists()


def test_streams_of_a_named_server_are_restored_to_another(backed_up: BackedUp, tmp_path: Path) -> None:
    """Every stream has the same messages at the same positions; a server that has the streams is refused."""

    async def round_trip() -> None:
        async with server.run_server(tmp_path / "first") as first, server.run_server(tmp_path / "second") as second:
            await asyncio.to_thread(
                move37, "restore", str(backed_up.end), "--home", str(tmp_path / "a"), "--nats", first
            )
            await asyncio.to_thread(
                move37, "backup", str(tmp_path / "b"), "--home", str(tmp_path / "a"), "--nats", first
            )
            again = ("restore", str(tmp_path / "b"), "--home", str(tmp_path / "c"), "--nats")
            await asyncio.to_thread(move37, *again, second)
            stderr = await asyncio.to_thread(move37, *again[:3], str(tmp_path / "d"), "--nats", first, code=1)
            assert "has a stream LAB_EVENTS; hint: name an empty server" in stderr
            assert list((tmp_path / "d").iterdir()) == []
            for stream in STREAMS:
                assert await messages(first, stream) == await messages(second, stream)

    asyncio.run(round_trip())


async def messages(url: str, stream: str) -> Any:
    async with open_lab(settings(Path("unused"), nats=url)) as client:
        return await stored_messages(client.bus.transport, stream)


def test_a_home_with_files_is_refused(backed_up: BackedUp, tmp_path: Path) -> None:
    """A restoration overwrites nothing."""
    (tmp_path / "mine.txt").write_text("mine")
    stderr = move37("restore", str(backed_up.end), "--home", str(tmp_path), code=1)
    assert stderr == f"move37: {tmp_path} is not empty; hint: choose another --home\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_existing_backup_is_not_overwritten(backed_up: BackedUp) -> None:
    """The older one may be the only good one."""
    stderr = move37("backup", str(backed_up.end), "--home", str(backed_up.home), code=1)
    assert "exists; hint: name a new file or folder" in stderr


@pytest.mark.parametrize("damage", ["truncated", "changed", "no manifest", "no backup"])
def test_a_damaged_backup_is_refused_in_one_line(backed_up: BackedUp, tmp_path: Path, damage: str) -> None:
    """The home stays empty."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in backed_up.middle.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    log = snapshot_path(copy, subjects.LOG)
    if damage == "truncated":
        log.write_bytes(log.read_bytes()[:-100])
    elif damage == "changed":
        log.write_bytes(log.read_bytes()[:-100] + bytes(100))
    elif damage == "no manifest":
        (copy / "manifest.json").unlink()
    else:
        copy = tmp_path / "file.tar"
        copy.write_bytes(b"no tar")
    stderr = move37("restore", str(copy), "--home", str(tmp_path / "home"), code=1)
    assert len(stderr.strip().splitlines()) == 1
    assert "backup" in stderr or "backed up" in stderr
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").iterdir())
