"""A jail's life: started ahead, replaced, refused with a remedy, and nothing left behind."""

import os
import select
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sandbox import Frame, Jail, JailFault, SandboxUnavailable, bubblewrap, probe
from sandbox.inside import seccomp
from sandbox.watchdog import ending
from trainer.run.jail import training_jail

HELLO = "sandbox.probe:hello"
EXAMINE = "trainer.gates.examination:main"


def greet(jail: Jail) -> int:
    """Run a program that says hello; return the zygote that served it."""
    with jail.run(HELLO, seconds=20, memory_mb=256) as session:
        session.recv()
    return jail.ready().pid


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_runs_leave_no_process_no_descriptor_and_no_thread(tmp_path: Path):
    """After twenty runs the parent and the sandbox hold what they held after two."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        greet(jail), greet(jail)
        before = (descriptors(), threading.active_count(), jail.ready().processes())
        for _ in range(20):
            greet(jail)
        assert (descriptors(), threading.active_count(), jail.ready().processes()) == before


def test_a_closed_jail_leaves_nothing(tmp_path: Path):
    """Closing kills the sandbox and gives every descriptor back."""
    before = descriptors()
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        greet(jail)
        zygote = jail.ready()
    assert not zygote.alive
    assert descriptors() == before


def test_a_zygote_is_replaced_after_its_runs(tmp_path: Path):
    """The third run of a jail that replaces after two is served by another zygote."""
    with training_jail("bwrap", tmp_path, preload=(), runs=2) as jail:
        first = jail.ready()
        greet(jail)
        with jail.run(HELLO, seconds=20, memory_mb=256) as session:
            session.recv()
        assert jail.ready() is not first
        greet(jail)


def test_a_zygote_outlives_the_thread_that_prepared_it(tmp_path: Path):
    """The sandbox dies with the thread that started it, so that thread must not be the caller's."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        preparing = threading.Thread(target=jail.ready)
        preparing.start()
        preparing.join()
        prepared = jail.ready()
        greet(jail)
        assert jail.ready() is prepared


def test_a_killed_zygote_is_started_afresh(tmp_path: Path):
    """A run after the sandbox was killed from outside is served."""
    with training_jail("bwrap", tmp_path, preload=()) as jail:
        first = jail.ready()
        first.kill()
        greet(jail)
        assert jail.ready() is not first


def test_a_sandbox_that_dies_in_a_run_is_named(tmp_path: Path):
    """The session is told that the jail went away, not that the candidate failed."""
    with training_jail("bwrap", tmp_path, preload=()) as jail, jail.run(EXAMINE, seconds=20, memory_mb=512) as session:
        jail.ready().kill()
        with pytest.raises(JailFault) as caught:
            session.recv()
        assert caught.value.reason == "crash:jail"


def test_a_parent_that_is_killed_takes_the_sandbox_along(tmp_path: Path):
    """No zygote survives its trainer, even one that dies by SIGKILL."""
    program = (
        "import time; from pathlib import Path; from trainer.run.jail import training_jail\n"
        f"jail = training_jail('bwrap', Path({str(tmp_path)!r}), preload=())\n"
        "print(jail.ready()._sandbox_pid(), flush=True)\n"
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
    """The side that holds the credentials stays small and loads nothing that a candidate may have touched."""
    program = "import sys, sandbox; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_probe_says_what_holds():
    """On a machine that can give the jail every check passes, the last of them a real run."""
    checks = probe("bwrap")
    assert [(check.check, check.ok) for check in checks] == [
        (name, True) for name in ("device", "linux", "bwrap", "user", "jail")
    ]


def test_probe_of_no_sandbox_says_so():
    """Running without containment is reported as that."""
    assert "without containment" in probe("none")[-1].remedy


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("bwrap: No permissions to create new namespace", "sysctl kernel.unprivileged_userns_clone=1"),
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: Creating new namespace failed: Operation not permitted", "CAP_SYS_ADMIN"),
        ("Permission denied: /lab/trainer/__init__.py", "chmod -R o+rX"),
    ],
)
def test_a_sandbox_that_can_not_be_had_names_its_remedy(
    said: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What bubblewrap says is translated to one line that helps; there is no quiet way on without it."""
    refusing = tmp_path / "bwrap"
    refusing.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(bubblewrap, "binary", lambda: str(refusing))
    with pytest.raises(SandboxUnavailable) as caught:
        training_jail("bwrap", tmp_path, preload=()).run(HELLO, seconds=5, memory_mb=256)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not probe("bwrap")[-1].ok


def test_without_a_sandbox_limits_and_names_still_hold(tmp_path: Path):
    """`--sandbox none` contains nothing, but a run still ends in time, with its name, and leaves no file or process."""
    with training_jail("none", tmp_path, preload=("trainer.gates.examination",)) as jail:
        ends = {
            "while True:\n    pass": "timeout",
            "import ctypes\nctypes.string_at(0)": "crash:SIGSEGV",
            "1 / 0": "error",
            "kept = []\nwhile True:\n    kept.append(bytearray(1 << 20))": "limit:memory",
            "open('left', 'w')\nimport os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass": "no_class",
        }
        for source, reason in ends.items():
            with jail.run(EXAMINE, seconds=3, memory_mb=400) as session:
                session.send(Frame("examine", {"source": source, "d_model": 16, "n_heads": 2, "seed": 0}))
                with pytest.raises(JailFault) as caught:
                    session.recv()
                assert caught.value.reason == reason
            assert jail.ready().processes() == []
            assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_by_number_on_each_architecture(machine: str):
    """Every jump of the filter lands within it, and it ends by allowing the rest."""
    code = seccomp.program(machine, pid=2)
    jumps = [index + 1 + max(yes, no) for index, (kind, yes, no, _) in enumerate(code) if kind & 7 == 5]
    assert max(jumps) < len(code)
    assert code[-1] == (seccomp.RETURN, 0, 0, seccomp.ALLOW)


def test_an_architecture_without_a_table_is_refused():
    """No filter is guessed."""
    with pytest.raises(OSError, match="no seccomp table"):
        seccomp.program("riscv64", pid=2)


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
def test_every_ending_has_a_name(status: str, reason: str):
    """How a run's process ended is turned to a reason code."""
    assert ending(status)[0] == reason
