"""The control group around a sandbox: what it limits and counts, with files in place of the kernel and with the kernel.

The kernel of a machine for tests may pass on no controller, so a folder of plain files stands for a group with all.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import JailFault
from sandbox.control_group import SLACK_BYTES, SLACK_TASKS, ControlGroup, parent_folder
from tests.support.hostile_programs import serves
from trainer.run.jail import training_jail

FILES = {
    "cgroup.controllers": "cpuset cpu io memory pids\n",
    "cgroup.procs": "",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
    "memory.current": "1000\n",
    "memory.swap.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 3\noom 0\noom_kill 1\n",
    "pids.current": "3\n",
}


@pytest.fixture
def group(tmp_path: Path) -> ControlGroup:
    """Return a group whose files are plain ones."""
    folder = tmp_path / "group"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return ControlGroup(folder)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that uses half a second of CPU time in a child whose end it ignores, when it gets a line."""
    program = (
        "import os, signal, sys, time\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsys.stdin.readline()\n"
        "if os.fork() == 0:\n    while time.process_time() < 0.5:\n        pass\n    os._exit(0)\n"
        "try:\n    os.wait()\nexcept ChildProcessError:\n    print(flush=True)\nsys.stdin.readline()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        yield started
        started.kill()


def real_group(*processes: int) -> ControlGroup:
    """Return a group of this machine's kernel around processes; skip the test if there can't be one."""
    group = ControlGroup.around(processes)
    if group is None:
        pytest.skip("this machine gives no control group")
    return group


def test_limits_are_beyond_what_the_sandbox_uses_already(group: ControlGroup):
    """The sandbox' own processes and what earlier runs have left in caches don't count against a run."""
    group.limit(memory_bytes=5000, tasks=64, cpus=1.5)
    limits = ("memory.max", "memory.swap.max", "pids.max", "cpu.max")
    assert {name: (group.folder / name).read_text() for name in limits} == {
        "memory.max": str(1000 + 5000 + SLACK_BYTES),
        "memory.swap.max": "0",
        "pids.max": str(3 + 64 + SLACK_TASKS),
        "cpu.max": "150000 100000",
    }
    assert str(group) == "cgroup v2 counts CPU time and limits cpu, memory, pids"


def test_a_kill_for_the_machines_memory_is_not_the_groups(group: ControlGroup):
    """Only what its own limit caused counts: the run is not to blame for the rest."""
    assert group.memory_kills() == 0
    (group.folder / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert group.memory_kills() == 1


def test_a_group_without_controllers_counts_cpu_time_only(group: ControlGroup):
    """It writes no limit, and says so."""
    (group.folder / "cgroup.controllers").write_text("hugetlb\n")
    bare = ControlGroup(group.folder)
    bare.limit(memory_bytes=5000, tasks=64, cpus=1)
    assert {path.name for path in group.folder.iterdir()} == set(FILES)
    assert (bare.cpu_s(), bare.memory_kills()) == (1.5, 0)
    assert "limits nothing (the machine passes on no controller for cpu, memory, pids)" in str(bare)


def test_a_group_is_created_where_all_controllers_are_passed_on(tmp_path: Path):
    """That is the nearest such folder; a process' own group passes on none, since it contains a process."""
    own = tmp_path / "user" / "slice" / "scope"
    own.mkdir(parents=True)
    for folder, passed_on in ((tmp_path, "cpu memory pids"), (own.parent.parent, "cpu memory pids io"), (own, "")):
        (folder / "cgroup.subtree_control").write_text(passed_on)
    (own.parent / "cgroup.subtree_control").write_text("memory pids")
    assert parent_folder(tmp_path, own) == own.parent.parent
    assert parent_folder(own, own) == own


def test_without_cgroup_v2_there_is_no_group(monkeypatch: pytest.MonkeyPatch):
    """The sandbox then starts without one."""
    monkeypatch.setattr("sandbox.control_group.Path.read_text", lambda _: "24 23 0:22 / /sys rw - sysfs sysfs rw\n")
    assert ControlGroup.around([os.getpid()]) is None


def test_the_kernel_counts_ended_processes(process: subprocess.Popen[bytes]):
    """Also the time of a child that nobody has waited for; no trace of the group is left."""
    group = real_group(process.pid)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    assert 0.5 <= group.cpu_s() < 2
    process.kill()
    process.wait()
    group.remove()
    assert not group.folder.exists()


def test_the_group_of_a_killed_process_is_removed(process: subprocess.Popen[bytes]):
    """The next one to create a group does it."""
    first = real_group()
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = first.folder.parent / f"move37-{dead.pid}-0"
    left.mkdir()
    second = real_group(process.pid)
    assert not left.exists()
    assert first.folder.exists()
    process.kill()
    process.wait()
    first.remove()
    second.remove()


def test_a_closed_jail_leaves_no_group(tmp_path: Path):
    """Its group exists as long as its zygote."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        assert serves(jail)
        group = jail.ensure_zygote().group
        if group is None:
            pytest.skip("this machine gives no control group")
        assert group.folder.exists()
    assert not group.folder.exists()


def test_a_run_that_the_kernel_kills_for_memory_has_that_reason(
    group: ControlGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not the reason of a crash, also if the killed process is a child and the run goes on."""
    monkeypatch.setattr(ControlGroup, "around", lambda _: group)
    with (
        training_jail("bwrap", tmp_path, preload=()) as jail,
        jail.run("trainer.gates.examination:main", seconds=20, memory_mb=512) as session,
    ):
        (group.folder / "memory.events").write_text("oom 1\noom_kill 2\n")
        with pytest.raises(JailFault) as caught:
            session.recv()
    assert caught.value.reason == "limit:memory"


def test_a_sandbox_without_its_limits_is_replaced(group: ControlGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No run starts without the limits that the sandbox had before."""
    monkeypatch.setattr(ControlGroup, "around", lambda _: group)
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        zygote = jail.ensure_zygote()
        (group.folder / "memory.current").unlink()
        monkeypatch.setattr(ControlGroup, "around", lambda _: None)
        assert serves(jail)
        assert jail.ensure_zygote() is not zygote
