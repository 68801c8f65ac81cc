"""Limits that hold for all processes of a run together, though each of them stays below its own."""

import os
from collections.abc import Iterator

import pytest

from sandbox import Frame, Jail, JailFault, SandboxLimits, jail
from sandbox.control_group import ControlGroup
from sandbox.inside.confinement import NICENESS
from sandbox.profile import gpu_profile
from sandbox.usage import SOCKET_BYTES
from tests.support.hostile_programs import MIXER, examine, reason_of
from trainer.run.jail import training_jail

GATES = "trainer.gates.examination"
BUSY_CHILDREN = """
import os
for _ in range(64):
    if os.fork() == 0:
        while True:
            pass
while True:
    os.wait()
"""
FORGOTTEN_CHILDREN = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
"""


@pytest.fixture(scope="module", params=["group", "no group"])
def cpu_jail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Open a jail for runs on the CPU, with a control group if this machine gives one, and without."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "no group":
            patch.setattr(ControlGroup, "around", lambda _: None)
        with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), preload=(GATES,)) as opened:
            opened.ensure_zygote()
            yield opened


@pytest.fixture(scope="module")
def gpu_jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    """Open a jail with the limits of a GPU, without its devices."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jail, "device_profile", lambda _: gpu_profile(()))
        with training_jail("bwrap", tmp_path_factory.mktemp("scratch"), preload=(GATES,), device="cuda") as opened:
            yield opened


@pytest.mark.parametrize("source", [BUSY_CHILDREN, FORGOTTEN_CHILDREN], ids=["busy", "forgotten"])
def test_all_processes_share_one_budget_of_cpu_time(source: str, cpu_jail: Jail):
    """Children count while they run and after their end, also if their parent ignores their ends."""
    limits = SandboxLimits(processes=80, cpus=0.05)
    with cpu_jail.run(f"{GATES}:main", seconds=40, memory_mb=1024, limits=limits) as session:
        session.send(Frame("examine", {"source": source, "d_model": 16, "n_heads": 2, "seed": 0}))
        with pytest.raises(JailFault) as caught:
            session.recv()
    assert caught.value.reason == "timeout"
    assert caught.value.message == "more than 2 s of CPU time, all processes together"


def test_time_in_which_others_compute_is_free(cpu_jail: Jail):
    """A run that gets a share of a processor takes longer than its seconds; one that only waits doesn't."""
    shared = "import time\nend = time.monotonic() + 6\nwhile time.monotonic() < end:\n    {}\n"
    computes = shared.format("[x * x for x in range(100_000)]; time.sleep(0.02)")
    for source, seconds, expected in ((computes, 5, "passed"), (shared.format("time.sleep(0.1)"), 2, "timeout")):
        with cpu_jail.run(f"{GATES}:main", seconds=seconds, memory_mb=1024) as session:
            session.send(Frame("examine", {"source": source + MIXER, "d_model": 16, "n_heads": 2, "seed": 0}))
            try:
                outcome = "passed" if session.recv() else ""
            except JailFault as fault:
                outcome = fault.reason
        assert outcome == expected


def test_sockets_of_a_gpu_count_as_memory(gpu_jail: Jail):
    """A few pass; many that are closed before they are accepted don't, though no process has a descriptor of them."""
    connect = (
        "import socket\nlistener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "listener.bind(chr(0) + 'here')\nlistener.listen(4000)\n"
        "for _ in range({}):\n    sender = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "    sender.connect(chr(0) + 'here')\n    sender.setblocking(False)\n    sender.send(bytes(200_000))\n"
        "    sender.close()\n"
    )
    assert examine(gpu_jail, connect.format(4) + MIXER) == "passed"
    too_many = 2 * (400 << 20) // SOCKET_BYTES
    hide = connect.format(too_many) + "while True:\n    pass\n"
    assert reason_of(examine(gpu_jail, hide)) == "limit:memory"


def test_page_tables_count_as_memory(gpu_jail: Jail):
    """To read one byte of each 2 MiB fills no page, but a page table each."""
    source = (
        "import mmap\narea = mmap.mmap(-1, 1 << 42, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)\n"
        "for start in range(0, 1 << 42, 1 << 21):\n    area[start]\n"
    )
    assert reason_of(examine(gpu_jail, source)) == "limit:memory"


def test_a_run_yields_to_other_work(cpu_jail: Jail):
    """Its niceness is higher than the parent's, and it can't lower it."""
    source = (
        f"import os\nassert os.getpriority(os.PRIO_PROCESS, 0) == min({os.nice(0) + NICENESS}, 19)\n"
        "try:\n    os.nice(-1)\nexcept OSError:\n    pass\nelse:\n    raise SystemExit('allowed')\n"
    )
    assert examine(cpu_jail, source + MIXER) == "passed"
