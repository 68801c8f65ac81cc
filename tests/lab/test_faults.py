"""Faults: whichever process is killed, the campaign ends with exactly its experiments, none twice."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.vocabulary.events import AnalysisReady, RunCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import parse_run_id
from lab.client.campaign_view import CampaignView
from lab.home import Home
from tests.support.labs import ROOT, SERVICES, kill, move37, processes_of, publish_as_admin, run_instant

EXPERIMENTS = 12
FIRST_KILL, EVENTS_BETWEEN_KILLS = 40, 20
"""Events before the first process is killed, and between two such ends."""


class ServiceKiller:
    """Kills services one after another, each after a number of events, and records the analysed experiments."""

    def __init__(self, home: Path, services: Sequence[str]) -> None:
        """Kill each of `services` once, in their order."""
        self.home, self.left, self.events, self.due = home, list(services), 0, FIRST_KILL
        self.analysed: list[str] = []

    def __call__(self, _: CampaignView, envelope: Envelope | None) -> None:
        """Count an event, and kill the next service if it is due."""
        if envelope is None:
            return
        self.events += 1
        if isinstance(envelope.event, AnalysisReady):
            self.analysed.append(envelope.experiment)
        if self.left and self.events >= self.due and kill(self.home, self.left[0]):
            self.left.pop(0)
            self.due = self.events + EVENTS_BETWEEN_KILLS


@pytest.mark.parametrize("services", [SERVICES[::2], SERVICES[1::2]], ids=", ".join)
def test_killed_processes_do_not_change_the_campaigns_end(tmp_path: Path, services: Sequence[str]) -> None:
    """After a SIGKILL of one process after another, all experiments end, and each is analysed at most once."""
    killer = ServiceKiller(tmp_path, services)
    outcome = run_instant(tmp_path, killer, experiments=EXPERIMENTS, slots=3)
    assert killer.left == [], "not killed"
    assert outcome.finished
    status = outcome.results.status
    assert status.analysed + status.failed + status.rejected == 6 + EXPERIMENTS
    assert len(killer.analysed) == len(set(killer.analysed)) == status.analysed


def test_one_seed_and_one_slot_give_one_sequence_of_proposals(tmp_path: Path) -> None:
    """Two runs propose the same sources in the same order."""
    sources = []
    for name in ("one", "two"):
        outcome = run_instant(tmp_path / name, experiments=4, slots=1, seed=7)
        sources.append([row.source for row in outcome.results.experiments])
    assert len(sources[0]) == 10
    assert sources[0] == sources[1]


def test_a_larger_budget_continues_the_same_campaign(tmp_path: Path) -> None:
    """`move37 run --experiments` with a larger number adds experiments and repeats nothing."""
    first = run_instant(tmp_path, experiments=3, slots=2)
    runs: list[str] = []

    def watch(_: CampaignView, envelope: Envelope | None) -> None:
        if envelope is not None and isinstance(envelope.event, RunCompleted):
            runs.append(envelope.event.run)

    second = run_instant(tmp_path, watch, experiments=6, slots=2)
    before = {row.id: row.fitness for row in first.results.experiments}
    after = {row.id: row.fitness for row in second.results.experiments}
    assert len(after) == 12
    assert {name: after[name] for name in before} == before
    assert len(set(runs)) == len(runs)
    assert {parse_run_id(run).experiment for run in runs} == {
        row.id for row in second.results.experiments if row.val_loss
    }


def test_an_interrupt_ends_quickly_and_the_same_command_resumes(tmp_path: Path) -> None:
    """After SIGINT all processes end within 5 s; the same command then finishes the campaign."""
    command = [sys.executable, "-m", "tests.support.instant_lab", str(tmp_path), "400"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("AnalysisReady"):
            break
    assert processes_of(tmp_path)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(10) == 0
    assert time.monotonic() - start < 5.0
    assert "finished=False" in rest
    assert not processes_of(tmp_path)
    outcome = run_instant(tmp_path, experiments=8, slots=4)
    assert outcome.finished


def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path) -> None:
    """A SIGKILL of the lab itself ends every service and the server."""
    command = [sys.executable, "-m", "tests.support.instant_lab", str(tmp_path), "400"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("AnalysisReady"):
            break
    assert processes_of(tmp_path)
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 15
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(tmp_path)


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
    publishing: list[asyncio.Future[None]] = []

    def disturb(view: CampaignView, envelope: Envelope | None) -> None:
        if envelope is not None and envelope.type == "CampaignStarted":
            garbage = {
                f"lab.events.{view.campaign}.e0001.RunCompleted": b"not json",
                f"lab.events.{view.campaign}.e0001.NoSuchEvent": b"{}",
                f"lab.human.{view.campaign}": b"\xff\xfe",
            }
            publishing.append(asyncio.ensure_future(publish_as_admin(tmp_path, garbage)))

    outcome = run_instant(tmp_path, disturb, experiments=4, slots=2)
    publishing[0].result()
    assert outcome.finished
    assert outcome.restarts == 0
    letters = json.loads(move37("status", "--home", str(tmp_path), "--json"))["dead_letters"]
    assert letters >= 3
