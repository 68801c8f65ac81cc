"""Hostile programs: each ends with the name it must have, within its limit, and the jail serves the next run.

A program is a data file in `hostile/`; its first line says what must come of it.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Frame, Jail, JailFault
from trainer.run.jail import training_jail

HOSTILE = sorted((Path(__file__).parent / "hostile").glob("*.py"))
SECRET = "xyzzy-4711"
MIXER = """
import torch


class Mixer(torch.nn.Module):
    def __init__(self, d_model, n_heads, layer_idx=0):
        super().__init__()
        self.inner = torch.nn.Linear(d_model, d_model)

    def forward(self, x):
        return self.inner(x)
"""
SLACK = 5.0
"""Seconds that a loaded machine may take to kill and reap."""


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    os.environ["NATS_CREDS"] = os.environ["MOVE37_API_KEY"] = SECRET
    with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), preload=("trainer.gates.examination",)) as jail:
        yield jail
    del os.environ["NATS_CREDS"], os.environ["MOVE37_API_KEY"]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "memory.duckdb").write_text("the laboratory's memory")
    return tmp_path


def outcome(jail: Jail, source: str, seconds: float) -> JailFault | str:
    """What comes of examining a source: the last gate's reason, or the fault."""
    with jail.run("trainer.gates.examination:main", seconds=seconds, memory_mb=400) as session:
        try:
            session.send(Frame("examine", {"source": source, "d_model": 16, "n_heads": 2, "seed": 0}))
            return session.recv().header["findings"][-1][2]
        except JailFault as fault:
            return fault


def serves(jail: Jail) -> bool:
    """Whether a harmless run gets its answer."""
    with jail.run("sandbox.probe:hello", seconds=20, memory_mb=256) as session:
        return session.recv().kind == "hello"


def header_of(program: Path) -> dict[str, str]:
    lines = program.read_text().splitlines()
    return dict(line.removeprefix("# ").split(": ", 1) for line in lines[:2] if line.startswith("# "))


def source_of(program: Path, host: Path) -> str:
    source = program.read_text().replace("@HOST@", str(host)).replace("@SECRET@", SECRET)
    return source + MIXER if header_of(program)["expected"] == "passed" else source


@pytest.mark.parametrize("program", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_program_ends_with_its_name(program: Path, jail: Jail, host: Path):
    """It ends as named and in time; the host is as it was; nothing of the run is left; the next run is served."""
    header = header_of(program)
    seconds = float(header.get("seconds", 20))
    jail.ready()
    start = time.monotonic()
    ended = outcome(jail, source_of(program, host), seconds)
    took = time.monotonic() - start
    reason = ended if isinstance(ended, str) else ended.reason
    assert reason in header["expected"].split("|"), ended if isinstance(ended, str) else (ended, ended.tail)
    assert took < seconds + SLACK
    assert [path.name for path in host.iterdir()] == ["memory.duckdb"]
    assert (host / "memory.duckdb").read_text() == "the laboratory's memory"
    assert jail.ready().processes() == []
    assert serves(jail)


def test_the_tail_of_a_flood_is_kept(jail: Jail):
    """What a run printed last before it was stopped is in the fault."""
    fault = outcome(jail, "while True:\n    print('spam')\n", 20)
    assert isinstance(fault, JailFault)
    assert fault.reason == "limit:output"
    assert set(fault.tail.split()[-100:-1]) == {"spam"}


def test_nothing_stays_from_one_run_to_the_next(jail: Jail):
    """What a run writes to modules and files is not there in the next."""
    leave = "import torch\ntorch.leaked = 1\nopen('left', 'w').write('x')\nopen('/dev/shm/left', 'w').write('x')\n"
    look = (
        "import os, torch\nassert not hasattr(torch, 'leaked') and not os.listdir('.') and not os.listdir('/dev/shm')\n"
    )
    assert outcome(jail, leave + MIXER, 20) == "passed"
    assert outcome(jail, look + MIXER, 20) == "passed"


def test_a_traceback_shows_the_programs_own_lines(jail: Jail):
    """A Python exception comes with its last line as message and the faulty line in its tail."""
    fault = outcome(jail, "width = 1\nheight = width / 0\n", 20)
    assert isinstance(fault, JailFault)
    assert (fault.reason, fault.message) == ("error", "ZeroDivisionError: division by zero")
    assert 'File "architecture.py", line 2' in fault.tail
    assert "height = width / 0" in fault.tail
