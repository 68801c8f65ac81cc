"""However and whenever a signal ends a command: it ends, its children too, and its exit code tells the signal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.home import Home
from tests.support.interrupted_campaigns import all_faults
from tests.support.labs import ROOT, move37

STUBBORN = """
import asyncio, subprocess, sys, time
from lab import endings
from lab.options import run_async

async def work():
    subprocess.Popen([sys.executable, "-c", "import time; print('child', flush=True); time.sleep(60)"])
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("asked", flush=True)

endings.install()
endings.GRACE_S = float(sys.argv[1])
run_async(work())
"""
"""A program that does not end when a signal asks for it, and has a child."""
SLOW_TO_CLOSE = """
import os, time
from lab import endings

class Slow:
    def __del__(self, write=os.write, sleep=time.sleep):
        write(1, b"closing\\n")
        sleep(1)

endings.install()
kept = Slow()
print("ready", flush=True)
time.sleep(60)
"""
"""A program that Python takes a second to close down once a signal has ended it."""

WRAPPED = """
import os, signal, time
from lab import cli, commands

def command(**_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except BaseException as error:
        raise RuntimeError("a class could not be created") from error

commands.command_line = lambda: command
cli.main()
"""
"""A program whose signal comes where a caller puts an error of its own in the place of any other."""


@pytest.mark.timeout(300)
def test_a_campaign_ends_at_any_moment(tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM and SIGHUP, once or twice: no process and no believed note stay behind."""
    assert all_faults(10, seed=1, folder=tmp_path) == []


@pytest.mark.parametrize("second", [True, False], ids=["a second signal", "the end of the grace period"])
def test_work_that_does_not_end_is_left_with_its_children(second: bool) -> None:
    """The process kills its child, and its exit code names the first signal."""
    command = [sys.executable, "-c", STUBBORN, "60" if second else "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "child\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "asked\n"
    while second and process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    assert process.wait(10) == 143
    assert "child" not in process.stdout.read()  # its end of file: the child is gone too


def test_a_signal_while_python_closes_down_changes_nothing() -> None:
    """The exit code names the first signal: by then Python has restored the default handlers of those not ignored."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_TO_CLOSE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "closing\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 130


def test_a_signal_within_another_error_still_ends_the_command() -> None:
    """Python 3.11 wraps whatever is raised while a class of another package is created."""
    command = [sys.executable, "-c", WRAPPED]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, "")


def test_a_note_of_a_killed_lab_is_not_believed(tmp_path: Path) -> None:
    """Not even if its pid now belongs to another process, here to this one, or if a reader holds the home's lock."""
    home = Home(tmp_path)
    home.prepare()
    note = {"nats_url": "nats://127.0.0.1:9", "campaign": "c", "pid": os.getpid(), "embedded": True}
    (tmp_path / "running.json").write_text(json.dumps(note))
    with home.locked():
        assert home.running() is None
        with home.announced("nats://127.0.0.1:9", "c", embedded=True):
            assert home.running() == note
        assert home.running() is None
    assert "no lab has run" in move37("status", "--home", str(tmp_path), code=1)
