"""The walls of a run on a GPU: what its driver and its compiler need is there, and nothing else gives way.

No card is needed: a character device that this machine makes stands for the driver's.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Jail, JailFault, SandboxUnavailable, jail
from sandbox.profile import CONTROL, CPU, gpu, profile
from tests.sandbox.test_jail_hostile import MIXER, header_of, outcome, serves, source_of
from trainer.run.jail import training_jail

HOSTILE = Path(__file__).with_name("hostile")
ELSEWHERE = {"starts_a_program", "executes", "memory_files", "writes_own_memory_file"}
"""Programs that are refused on a CPU for what a driver and a compiler need: none reaches beyond the run."""
STILL_REFUSED = [
    path
    for path in sorted(HOSTILE.glob("*.py"))
    if path.stem not in ELSEWHERE and header_of(path)["expected"].startswith(("denied:", "limit:memory"))
]


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """Make a device file that answers like /dev/zero, in a folder of its own, and one kept for root."""
    folder = Path(f"/dev/move37-{os.getpid()}")
    path, kept = folder / "zero", folder / "kept"
    try:
        folder.mkdir()
        for made, mode in ((path, 0o666), (kept, 0o400)):
            os.mknod(made, stat.S_IFCHR, os.makedev(1, 5))
            made.chmod(mode)
        with path.open("rb") as device:
            device.read(1)
        yield str(path)
    except OSError as error:
        pytest.skip(f"device files can't be made here: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def gpu_jail(tmp_path_factory: pytest.TempPathFactory, node: str) -> Iterator[Jail]:
    """Open a jail as on a machine whose driver has one device file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jail, "profile", lambda _: gpu((node,)))
        scratch = tmp_path_factory.mktemp("scratch")
        with training_jail("bwrap", scratch, preload=("trainer.gates.examination",), device="cuda") as opened:
            yield opened


def test_a_machine_without_a_card_is_told_so(monkeypatch: pytest.MonkeyPatch):
    """By the name of what is missing, with what to do; a CPU needs nothing."""
    monkeypatch.setattr("sandbox.profile.Path.glob", lambda *_: iter(()))
    with pytest.raises(SandboxUnavailable, match=f"no {CONTROL}: .* choose a scale on cpu"):
        profile("cuda")
    assert profile("cpu") is CPU


def test_what_is_root_s_is_left_out(node: str, monkeypatch: pytest.MonkeyPatch):
    """A run is nobody in particular: binding what it may not read would end it before it begins."""
    monkeypatch.setattr("sandbox.profile.NODES", (f"{Path(node).parent.name}/*",))
    monkeypatch.setattr("sandbox.profile.CONTROL", node)
    assert profile("cuda").devices == (node,)


def test_the_device_can_be_used(gpu_jail: Jail, node: str):
    """Read, written and asked by ioctl: what it answers is its own (ENOTTY), not a wall's."""
    source = (
        f"import fcntl, errno\nwith open({node!r}, 'r+b', buffering=0) as device:\n"
        "    assert device.read(3) == bytes(3) and device.write(b'x') == 1\n"
        "    try:\n        fcntl.ioctl(device, 0x5401)\n"
        "    except OSError as error:\n        assert error.errno == errno.ENOTTY, error\n"
    )
    assert outcome(gpu_jail, source + MIXER, 20) == "passed"


def test_a_compiler_can_be_started(gpu_jail: Jail):
    """A program of the runtime runs, writes to the scratch folder, and what it wrote can be loaded as code."""
    source = (
        "import subprocess, sys, mmap\n"
        "subprocess.run(['/bin/sh', '-c', 'cat /usr/bin/env > made'], check=True)\n"
        "with open('made', 'rb') as file:\n"
        "    mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)\n"
    )
    assert outcome(gpu_jail, source + MIXER, 20) == "passed"


def test_address_space_is_free(gpu_jail: Jail):
    """A terabyte may be reserved, as a driver does; that what is filled counts is below, among the hostile."""
    reserve = "import mmap\nmmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)\n"
    assert outcome(gpu_jail, reserve + MIXER, 20) == "passed"


def test_a_driver_can_start(gpu_jail: Jail):
    """What CUDA does first, or gives up with error 304: it names a thread in /proc, listens on an abstract socket."""
    source = (
        "import os, getpass, socket, threading\n"
        "assert os.readlink('/proc/self') == str(os.getpid())\n"
        "named = f'/proc/self/task/{threading.get_native_id()}/comm'\n"
        "with open(named, 'w') as file:\n    file.write('cuda-EvtHandlr')\n"
        "assert open(named).read() == 'cuda-EvtHandlr\\n'\n"
        "with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:\n"
        "    listener.bind(chr(0) + f'driver-{os.getpid()}')\n    listener.listen()\n"
        "assert getpass.getuser() == 'run'\n"
        "assert [name for name in os.listdir('/proc') if name.isdigit()] == ['1', str(os.getpid())]\n"
    )
    assert outcome(gpu_jail, source + MIXER, 20) == "passed"


@pytest.mark.parametrize(
    "attempt",
    [
        "os.write(os.open('/proc/1/comm', 1), b'x')", "open('/proc/1/mem')", "open('/proc/sys/kernel/hostname', 'w')",
        "open('/proc/sysrq-trigger', 'w')", "socket.socket(socket.AF_INET)", "socket.socket(socket.AF_NETLINK, 3)",
        "socket.socket(socket.AF_UNIX).bind('here')", "socket.socket(socket.AF_UNIX).connect('/run/dbus')",
        "os.write(os.open('/proc/1/oom_score_adj', 1), b'-1000')", "os.kill(1, 9)",
    ],
)  # fmt: skip
def test_what_a_driver_does_not_need_stays_refused(attempt: str, gpu_jail: Jail):
    """Its process table and its sockets lead to nobody else."""
    source = f"import os, socket\ntry:\n    {attempt}\nexcept OSError:\n    pass\nelse:\n    raise SystemExit('done')\n"
    assert outcome(gpu_jail, source + MIXER, 20) == "passed"


def test_memory_files_are_memory(gpu_jail: Jail):
    """The driver needs some; what lies in them counts, mapped or not, and none travels where no table shows it."""
    made = "import os, socket\nfile = os.memfd_create('driver')\nos.write(file, bytes(1 << 20))\n"
    assert outcome(gpu_jail, made + MIXER, 20) == "passed"
    hoard = f"{made}while True:\n    os.write(os.memfd_create('hoard'), bytes(16 << 20))\n"
    ended = outcome(gpu_jail, hoard, 20)
    assert isinstance(ended, JailFault)
    assert ended.reason == "limit:memory"
    ended = outcome(gpu_jail, f"{made}socket.send_fds(socket.socketpair()[0], [b'x'], [file])\n", 20)
    assert isinstance(ended, JailFault)
    assert ended.reason == "denied:syscall"


def test_a_started_program_stays_within_the_walls(gpu_jail: Jail, tmp_path: Path):
    """It reaches neither files of the host nor the network nor root."""
    (tmp_path / "secret").write_text("secret")
    for command in (
        f"cat {tmp_path}/secret", "cat /etc/shadow", "echo x > /lab/trainer/x", "echo x > /tmp/x",
        "mount -t tmpfs x /mnt", "exec 3<>/dev/tcp/127.0.0.1/4222", "kill -9 1", "unshare -U true",
    ):  # fmt: skip
        source = f"import subprocess\nassert subprocess.run(['/bin/bash', '-c', {command!r}]).returncode != 0\n"
        assert outcome(gpu_jail, source + MIXER, 20) == "passed", command


@pytest.mark.parametrize("program", STILL_REFUSED, ids=lambda path: path.stem)
def test_a_hostile_program_ends_as_on_a_cpu(program: Path, gpu_jail: Jail, tmp_path: Path):
    """Files, network, system calls, signals and memory are held there too; the next run is served."""
    (tmp_path / "memory.duckdb").write_text("the laboratory's memory")
    header = header_of(program)
    ended = outcome(gpu_jail, source_of(program, tmp_path), float(header.get("seconds", 20)))
    reason = ended.reason if isinstance(ended, JailFault) else ended
    assert reason in header["expected"].split("|"), ended
    assert (tmp_path / "memory.duckdb").read_text() == "the laboratory's memory"
    assert gpu_jail.ready().processes() == []
    assert serves(gpu_jail)
