"""The lifecycle of a jail: it starts ahead, replaces its zygote, fails with a remedy, and leaves nothing behind."""

import os
import select
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox import Frame, JailFault, SandboxUnavailable, bubblewrap, probe
from sandbox.library import library_without
from sandbox.watchdog import fault_of_status
from tests.support.hostile_programs import serves
from trainer.run.jail import training_jail
from trainer.tasks.standard_library import hidden_paths

HARMLESS_ENTRY = "sandbox.probe:report_confinement"
GATES_ENTRY = "trainer.gates.examination:main"


def descriptors() -> int:
    """Return the number of open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_runs_leave_no_process_no_descriptor_and_no_thread(tmp_path: Path):
    """After twenty more runs the parent and the sandbox have as many as before."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        assert serves(jail)
        assert serves(jail)
        counts = (descriptors(), threading.active_count(), jail.ensure_zygote().run_processes())
        for _ in range(20):
            assert serves(jail)
        assert (descriptors(), threading.active_count(), jail.ensure_zygote().run_processes()) == counts


def test_a_closed_jail_leaves_no_process_and_no_descriptor(tmp_path: Path):
    """Closing kills the sandbox and closes every descriptor but the lock on the process' copy of the library."""
    library_without(hidden_paths())
    open_before = descriptors()
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        assert serves(jail)
        zygote = jail.ensure_zygote()
    assert not zygote.alive
    assert descriptors() == open_before


def test_a_zygote_is_replaced_after_its_runs(tmp_path: Path):
    """If a jail replaces its zygote after two runs, another zygote serves the third."""
    with training_jail("bwrap", tmp_path, preload=(), runs_per_zygote=2) as jail:
        zygote = jail.ensure_zygote()
        assert serves(jail)
        with jail.run(HARMLESS_ENTRY, seconds=20, memory_mb=256) as session:
            session.recv()
        assert jail.ensure_zygote() is not zygote
        assert serves(jail)


def test_a_zygote_outlives_the_thread_that_prepared_it(tmp_path: Path):
    """A sandbox dies with the thread that started it, so the caller's thread must not start it."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        thread = threading.Thread(target=jail.ensure_zygote)
        thread.start()
        thread.join()
        zygote = jail.ensure_zygote()
        assert serves(jail)
        assert jail.ensure_zygote() is zygote


def test_a_killed_zygote_is_replaced(tmp_path: Path):
    """If another process kills the sandbox, the jail starts a new one for the next run."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        zygote = jail.ensure_zygote()
        zygote.kill()
        assert serves(jail)
        assert jail.ensure_zygote() is not zygote


def test_a_sandbox_that_dies_during_a_run_has_its_own_reason(tmp_path: Path):
    """The fault names the jail, since the program in it has done nothing wrong."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        with jail.run(GATES_ENTRY, seconds=20, memory_mb=512) as session:
            jail.ensure_zygote().kill()
            with pytest.raises(JailFault) as caught:
                session.recv()
        assert caught.value.reason == "crash:jail"


def test_a_killed_parent_ends_its_sandbox(tmp_path: Path):
    """The zygote dies with its parent, even if SIGKILL ends the parent."""
    program = (
        "import time; from pathlib import Path; from trainer.run.jail import training_jail\n"
        f"jail = training_jail('bwrap', Path({str(tmp_path)!r}), preload=())\n"
        "print(jail.ensure_zygote()._sandbox_pid(), flush=True)\n"
        "time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sandbox = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        ended, _, _ = select.select([sandbox], [], [], 5)
    os.close(sandbox)
    assert ended


def test_the_parent_never_imports_torch():
    """The process with the credentials stays small and loads no library of the runs."""
    program = "import sys, sandbox; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_check_of_the_probe_passes():
    """The test needs a machine that can provide the sandbox; the last check is a run."""
    checks = probe("bwrap")
    assert [(check.check, check.ok) for check in checks] == [
        (name, True) for name in ("device", "linux", "bwrap", "user", "jail")
    ]


def test_the_probe_of_no_sandbox_warns():
    """It reports that runs have no containment."""
    assert "without containment" in probe("none")[-1].remedy


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("bwrap: No permissions to create new namespace", "sysctl kernel.unprivileged_userns_clone=1"),
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "CAP_SYS_ADMIN"),
        ("Permission denied: /lab/trainer/__init__.py", "chmod -R o+rX"),
    ],
)
def test_an_unavailable_sandbox_names_its_remedy(
    error: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Bubblewrap's error becomes one line with a remedy, and the run does not start without the sandbox."""
    failing_bwrap = tmp_path / "bwrap"
    failing_bwrap.write_text(f"#!/bin/sh\necho '{error}' >&2\nexit 1\n")
    failing_bwrap.chmod(failing_bwrap.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(bubblewrap, "find_bwrap", lambda: str(failing_bwrap))
    with pytest.raises(SandboxUnavailable) as caught:
        training_jail("bwrap", tmp_path, preload=()).run(HARMLESS_ENTRY, seconds=5, memory_mb=256)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not probe("bwrap")[-1].ok


def test_without_a_sandbox_limits_and_reasons_still_hold(tmp_path: Path):
    """A run of the kind "none" is not contained, but ends in time with its reason and leaves no file and no process."""
    with training_jail("none", tmp_path, preload=("trainer.gates.examination",)) as jail:
        reasons = {
            "while True:\n    pass": "timeout",
            "import ctypes\nctypes.string_at(0)": "crash:SIGSEGV",
            "1 / 0": "error",
            "blocks = []\nwhile True:\n    blocks.append(bytearray(1 << 20))": "limit:memory",
            "open('file', 'w')\nimport os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass": "no_class",
        }
        for source, reason in reasons.items():
            with jail.run(GATES_ENTRY, seconds=3, memory_mb=400) as session:
                session.send(Frame("examine", {"source": source, "d_model": 16, "n_heads": 2, "seed": 0}))
                with pytest.raises(JailFault) as caught:
                    session.recv()
                assert caught.value.reason == reason
            assert jail.ensure_zygote().run_processes() == []
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("signal 11", "crash:SIGSEGV"),
        ("signal 24", "timeout"),
        ("signal 25", "limit:disk"),
        ("exit 0", "no_result"),
        ("exit 76", "protocol_error"),
        ("", "crash:jail"),
    ],
)
def test_every_exit_status_has_a_reason_code(status: str, reason: str):
    """The exit status of a run's process becomes a reason code."""
    assert fault_of_status(status)[0] == reason
