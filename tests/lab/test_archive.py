"""An ended campaign leaves the log for a file; the log still verifies, and other campaigns go on."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from bus.audit import log_file
from bus.delivery.replay import replay_role
from bus.vocabulary.events import (
    CampaignArchived,
    CampaignFinished,
    CampaignPaused,
    CampaignResumed,
    Event,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, campaign_id
from bus.wire.stored_message import StoredMessage
from lab.errors import LabError
from lab.home import Home
from lab.operations import archive as archives
from lab.operations import replay
from lab.operations.log_export import write_files
from lab.roster import decider_specs
from lab.settings import LoadedSettings
from memory.store import Store
from tests.support.factories import campaign_started
from tests.support.labs import move37, run_instant

EXPERIMENTS = 6
FIRST, SECOND = campaign_id(0, "nano"), campaign_id(1, "nano")
FINISHED = CampaignFinished(reason="stopped", analysed=0, failed=0, rejected=0)


@dataclass
class Archived:
    """A home with a campaign that was archived and another that ran after it, and the logs before and after."""

    home: Path
    archive: Path
    before: Path
    after: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Archived:
    """Both campaigns have run to their ends; the experiments were listed before the archive."""
    folder = tmp_path_factory.mktemp("archived")
    lab = Archived(folder / "home", folder / "archive.jsonl", folder / "before.jsonl", folder / "after.jsonl")
    home = ("--home", str(lab.home))
    assert run_instant(lab.home, experiments=EXPERIMENTS, slots=3).finished
    move37("export-log", str(lab.before), *home)
    (folder / "experiments").write_text(move37("experiments", "--json", *home))
    interrupt_archive(lab)
    again = move37("archive", str(lab.archive.with_name("new.jsonl")), "--campaign", FIRST, *home)
    assert again.startswith(f"{lab.archive} holds ")
    assert (Home(lab.home).campaign() or {})["archived"] == str(lab.archive.resolve())
    assert run_instant(lab.home, experiments=EXPERIMENTS, slots=3, seed=1).finished
    move37("export-log", str(lab.after), *home)
    return lab


def interrupt_archive(lab: Archived) -> None:
    """Write the archive and end before anything is purged."""
    settings = LoadedSettings.load({"home": lab.home, "campaign": FIRST}).settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "_purge", AsyncMock(side_effect=LabError("interrupted")))
        with pytest.raises(LabError, match="interrupted"):
            asyncio.run(archives.archive(settings, lab.archive))


def differences(log: Path) -> list[str]:
    """Return what the roles decide otherwise on an exported log."""
    history, traces = replay.read_history(log), replay.traces_of(log)
    results = (result for spec in decider_specs().values() for result in replay_role(spec, history, traces))
    return [str(difference) for _, difference in results if difference]


def test_an_archive_is_what_was_exported(lab: Archived) -> None:
    """The same bytes at the same lines, and every trace; it verifies and replays."""
    assert lab.archive.read_bytes() == lab.before.read_bytes()
    traces = ".traces.jsonl"
    assert lab.archive.with_suffix(traces).read_bytes() == lab.before.with_suffix(traces).read_bytes()
    assert "messages match their hashes" in move37("replay", str(lab.archive), "--verify")
    assert differences(lab.archive) == []


def test_the_log_keeps_one_event_of_an_archived_campaign(lab: Archived) -> None:
    """It vouches for the file: its digest is that of the file's own chain."""
    (kept,) = (one for one in log_file.read_log(lab.after) if one.campaign == FIRST)
    assert isinstance(kept.event, CampaignArchived)
    assert kept.seq == len(lab.before.read_bytes().splitlines()) + 1
    assert kept.event.digest in move37("replay", str(lab.archive), "--verify")
    assert (kept.event.file, kept.event.events) == (lab.archive.name, kept.seq - 1)


def test_the_log_verifies_without_an_archived_campaign(lab: Archived) -> None:
    """The home's chain and the exported one still cover every position."""
    gone = len(lab.before.read_bytes().splitlines())
    for command in (("events", "--home", str(lab.home)), ("replay", str(lab.after))):
        result = json.loads(move37(*command, "--verify", "--json"))
        assert (result["intact"], result["archived"]) == (True, gone)
        assert result["verified"] == result["messages"]


def test_a_later_campaign_is_whole(lab: Archived) -> None:
    """Its log replays, its memory is that of the log, and it has all its experiments."""
    assert differences(lab.after) == []
    with Store(lab.home / "memory.duckdb", read_only=True) as store:
        assert replay.rebuild(replay.read_history(lab.after))["digest"] == store.digest()
    listed = [json.loads(line) for line in move37("experiments", "--json", "--home", str(lab.home)).splitlines()]
    assert sum(not one["id"].startswith("base-") for one in listed) == EXPERIMENTS


def test_experiments_are_read_from_an_archive(lab: Archived) -> None:
    """As they were listed before, and one in full."""
    assert move37("experiments", "--log", str(lab.archive), "--json") == (
        lab.archive.with_name("experiments").read_text()
    )
    assert json.loads(move37("show", "e0001", "--log", str(lab.archive), "--json"))["source"]


def test_a_backup_of_a_lab_with_an_archived_campaign_is_restored(lab: Archived, tmp_path: Path) -> None:
    """The restored home verifies its log and knows both campaigns."""
    backup, home = tmp_path / "backup", tmp_path / "restored"
    move37("backup", str(backup), "--home", str(lab.home))
    move37("restore", str(backup), "--home", str(home))
    assert [record["id"] for record in Home(home).campaigns()] == [SECOND, FIRST]
    assert "messages match their hashes" in move37("events", "--verify", "--home", str(home))


def test_an_archived_campaign_does_not_begin_again(lab: Archived) -> None:
    """A later campaign of the home stays what it is; a second archive has nothing to take."""
    home = ("--home", str(lab.home))
    assert f"was archived to {lab.archive.name}" in move37(
        "archive", str(lab.archive.with_name("again.jsonl")), "--campaign", FIRST, *home, code=1
    )
    (lab.home / "campaign.json").unlink()
    assert f"{FIRST} was archived; hint: give another --campaign NAME or --seed" in move37("run", *home, code=1)


def history(*events: Event) -> Sequence[Envelope]:
    return [
        Envelope(f"id{seq}", "/lab/director/1", datetime.now(UTC), "c", CAMPAIGN, event, None, seq)
        for seq, event in enumerate(events, 1)
    ]


@pytest.mark.parametrize(
    "later",
    [(), (CampaignPaused(by="Ada"),), (FINISHED, CampaignResumed(by="Ada"))],
    ids=["started", "paused", "resumed"],
)
def test_a_campaign_that_has_not_ended_is_refused(later: tuple[Event, ...]) -> None:
    """Its roles still decide on its events."""
    with pytest.raises(LabError, match="c has not ended"):
        archives._require_ended("c", history(campaign_started(), *later))


def test_an_unknown_campaign_is_refused() -> None:
    """The line has its name."""
    with pytest.raises(LabError, match="the log has no campaign 'c'"):
        archives._require_ended("c", [])


def test_an_interrupted_purge_can_be_continued(tmp_path: Path) -> None:
    """The archive was complete before anything was purged. Without it, or with another in its place, nothing is."""
    rest = history(FINISHED, CampaignArchived(file="f", events=9, digest="0"))
    archives._require_ended("c", rest)
    assert archives._interrupted(rest) == rest[-1].event
    log = [StoredMessage(seq, f"lab.events.c.{CAMPAIGN}.T", b"{}") for seq in (1, 2, 3)]
    record = archives._write(tmp_path / "c.jsonl", log[:2], ())
    for given in ("c.jsonl", "new.jsonl"):
        assert archives._recorded_archive(tmp_path / given, record) == tmp_path / "c.jsonl"
    write_files(tmp_path / "c.jsonl", (), log, ())
    for folder in (tmp_path, tmp_path / "elsewhere"):
        with pytest.raises(LabError, match=f"wrote c.jsonl, which {folder} does not have as it was"):
            archives._recorded_archive(folder / "new.jsonl", record)
