"""Hostile programs: each ends with its reason code and within its time limit, and the jail serves the next run."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Jail, JailFault
from sandbox.watchdog import WALL_FACTOR
from tests.support.hostile_programs import MIXER, SECRET, Program, examine, programs, reason_of, serves
from trainer.run.jail import training_jail

SLACK_S = 5.0
"""Seconds that a loaded machine may take to kill and reap."""


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Open a jail in a process whose environment contains secrets."""
    os.environ["NATS_CREDS"] = os.environ["MOVE37_API_KEY"] = SECRET
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), preload=("trainer.gates.examination",)) as jail:
        yield jail
    del os.environ["NATS_CREDS"], os.environ["MOVE37_API_KEY"]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Return a folder of the host with a database in it."""
    (tmp_path / "memory.duckdb").write_text("the lab's memory")
    return tmp_path


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.name)
def test_a_hostile_program_ends_with_its_reason(program: Program, jail: Jail, host: Path):
    """It ends in time, leaves the host unchanged and no process behind, and the jail serves the next run."""
    jail.ensure_zygote()
    start = time.monotonic()
    outcome = examine(jail, program.source(host), program.seconds)
    duration = time.monotonic() - start
    assert reason_of(outcome) in program.reasons, outcome if isinstance(outcome, str) else (outcome, outcome.tail)
    assert duration < WALL_FACTOR * program.seconds + SLACK_S
    assert [path.name for path in host.iterdir()] == ["memory.duckdb"]
    assert (host / "memory.duckdb").read_text() == "the lab's memory"
    assert jail.ensure_zygote().run_processes() == []
    assert serves(jail)


def test_the_last_output_of_a_run_is_in_the_fault(jail: Jail):
    """The jail stops a run that prints too much, and the tail of the fault is its last output."""
    fault = examine(jail, "while True:\n    print('spam')\n")
    assert isinstance(fault, JailFault)
    assert fault.reason == "limit:output"
    assert set(fault.tail.split()[-100:-1]) == {"spam"}


def test_a_run_leaves_nothing_to_the_next_one(jail: Jail):
    """The next run sees neither its changes of modules nor its files."""
    leave = "import torch\ntorch.leaked = 1\nopen('file', 'w').write('x')\nopen('/dev/shm/file', 'w').write('x')\n"
    look = (
        "import os, torch\nassert not hasattr(torch, 'leaked') and not os.listdir('.') and not os.listdir('/dev/shm')\n"
    )
    assert examine(jail, leave + MIXER) == "passed"
    assert examine(jail, look + MIXER) == "passed"


def test_a_traceback_shows_the_programs_own_lines(jail: Jail):
    """The message of an exception is its last line, and the tail shows the faulty line."""
    fault = examine(jail, "width = 1\nheight = width / 0\n")
    assert isinstance(fault, JailFault)
    assert (fault.reason, fault.message) == ("error", "ZeroDivisionError: division by zero")
    assert 'File "architecture.py", line 2' in fault.tail
    assert "height = width / 0" in fault.tail
