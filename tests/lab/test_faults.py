"""Faults: whichever process is killed, the campaign ends with exactly its experiments, none twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.vocabulary.events import AnalysisReady, RunCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import parse_run_id
from lab.client.campaign_view import CampaignView
from lab.home import Home
from tests.support.labs import ROOT, kill, move37, run_instant

EXPERIMENTS = 12


class Killer:
    """Kills a service after a number of events."""

    def __init__(self, home: Path, service: str, after: int) -> None:
        """Kill `service` once, at event number `after` or later."""
        self.home, self.service, self.after, self.killed, self.events = home, service, after, False, 0
        self.analysed: list[str] = []

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count the events, and kill the service in time."""
        if envelope is None:
            return
        self.events += 1
        if isinstance(envelope.event, AnalysisReady):
            self.analysed.append(envelope.experiment)
        if self.events >= self.after and not self.killed:
            self.killed = kill(self.home, self.service)


@pytest.mark.parametrize(
    "service", ["memory", "director", "researcher", "engineer", "analyst", "desk", "trainer", "nats-server"]
)
def test_a_killed_process_does_not_change_the_campaigns_end(tmp_path: Path, service: str) -> None:
    """After a SIGKILL of any one process, all experiments end, and each is analysed at most once."""
    killer = Killer(tmp_path, service, after=40)
    outcome = run_instant(tmp_path, killer, experiments=EXPERIMENTS, slots=3)
    assert killer.killed, f"{service} was not running"
    assert outcome.finished
    assert outcome.status.analysed + outcome.status.failed + outcome.status.rejected == 6 + EXPERIMENTS
    assert len(killer.analysed) == len(set(killer.analysed)) == outcome.status.analysed


def test_one_seed_and_one_slot_give_one_sequence_of_proposals(tmp_path: Path) -> None:
    """Two runs propose the same sources in the same order."""
    sources = []
    for name in ("one", "two"):
        outcome = run_instant(tmp_path / name, experiments=10, slots=1, seed=7)
        sources.append([row.source for row in outcome.experiments])
    assert len(sources[0]) == 16
    assert sources[0] == sources[1]


def test_another_seed_gives_other_proposals(tmp_path: Path) -> None:
    """Two seeds give different sources."""
    runs = [run_instant(tmp_path / str(seed), experiments=4, slots=1, seed=seed) for seed in (1, 2)]
    one, two = ([row.source for row in run.experiments if row.origin == "genetic"] for run in runs)
    assert one != two


def test_a_larger_budget_continues_the_same_campaign(tmp_path: Path) -> None:
    """`move37 run --experiments` with a larger number adds experiments and repeats nothing."""
    first = run_instant(tmp_path, experiments=3, slots=2)
    runs: list[str] = []

    def watch(_: CampaignView, envelope: Envelope | None) -> None:
        if envelope is not None and isinstance(envelope.event, RunCompleted):
            runs.append(envelope.event.run)

    second = run_instant(tmp_path, watch, experiments=6, slots=2)
    before = {row.id: row.fitness for row in first.experiments}
    after = {row.id: row.fitness for row in second.experiments}
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert len(set(runs)) == len(runs)
    assert {parse_run_id(run).experiment for run in runs} == {row.id for row in second.experiments if row.val_loss}


def test_an_interrupt_ends_quickly_and_the_same_command_resumes(tmp_path: Path) -> None:
    """After SIGINT all processes end within 5 s; the same command then finishes the campaign."""
    command = [sys.executable, "-m", "tests.support.instant_lab", str(tmp_path), "400"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("AnalysisReady"):
            break
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(10) == 0
    assert time.monotonic() - start < 5.0
    assert "finished=False" in rest
    assert not _processes_of(tmp_path)
    outcome = run_instant(tmp_path, experiments=40, slots=4)
    assert outcome.finished


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    """A SIGKILL of the lab itself ends every service and the server."""
    command = [sys.executable, "-m", "tests.support.instant_lab", str(tmp_path), "400"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("AnalysisReady"):
            break
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 15
    while _processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _processes_of(tmp_path)


def test_a_second_lab_in_one_home_is_refused(tmp_path: Path) -> None:
    """The home is locked while a lab runs in it."""
    home = Home(tmp_path)
    home.prepare()
    with home.locked():
        stderr = move37("run", "--home", str(tmp_path), code=1)
    assert "already running" in stderr
    assert len(stderr.strip().splitlines()) == 1


def test_a_malformed_message_becomes_a_dead_letter_and_stops_nothing(tmp_path: Path) -> None:
    """Garbage on subjects of the log and on the human inbox becomes dead letters; no service restarts."""
    published = []

    def disturb(view: CampaignView, envelope: Envelope | None) -> None:
        if envelope is not None and envelope.type == "CampaignStarted":
            note = json.loads((tmp_path / "running.json").read_text())
            published.append(_publish_garbage(note["nats_url"], Home(tmp_path).keys / "lab.nk", view.campaign))

    outcome = run_instant(tmp_path, disturb, experiments=24, slots=2)
    assert published
    assert outcome.finished
    assert outcome.restarts == 0
    letters = json.loads(move37("status", "--home", str(tmp_path), "--json"))["dead_letters"]
    assert letters >= 3


def _publish_garbage(url: str, seed: Path, campaign: str) -> int:
    """Publish three malformed messages from a process of its own, because an event loop runs in this one."""
    code = (
        "import asyncio, nats\n"
        "async def main():\n"
        f"    client = await nats.connect({url!r}, nkeys_seed={str(seed)!r})\n"
        "    stream = client.jetstream()\n"
        f"    await stream.publish('lab.events.{campaign}.e0001.RunCompleted', b'not json')\n"
        f"    await stream.publish('lab.events.{campaign}.e0001.Unheard', b'{{}}')\n"
        f"    await stream.publish('lab.human.{campaign}', b'\\xff\\xfe')\n"
        "    await client.close()\n"
        "asyncio.run(main())\n"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, timeout=30).returncode


def _processes_of(home: Path) -> list[str]:
    """Return the ids of the processes of a home's lab."""
    ids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text and int(folder.name) != os.getpid() and b"pytest" not in text:
            ids.append(folder.name)
    return ids
