"""The sandbox of a run on a GPU allows what a driver and a compiler need, and nothing else.

No card is needed: the test creates a character device that replaces the driver's.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Jail, SandboxUnavailable, jail
from sandbox.profile import CONTROL_DEVICE, CPU_PROFILE, device_profile, gpu_profile
from tests.support.hostile_programs import MIXER, Program, examine, programs, reason_of, serves
from trainer.run.jail import training_jail

ALLOWED_ON_A_GPU = {"starts_a_program", "executes", "memory_files", "writes_own_memory_file"}
"""Programs that do what a driver or a compiler needs. The CPU profile refuses them, and they affect their run alone."""
STILL_REFUSED = [
    program
    for program in programs()
    if program.name not in ALLOWED_ON_A_GPU and program.reasons[0].startswith(("denied:", "limit:memory"))
]


@pytest.fixture(scope="module")
def device() -> Iterator[str]:
    """Create a device file that answers like /dev/zero in a new folder, and another one that only root may read."""
    folder = Path(f"/dev/move37-{os.getpid()}")
    path, root_only = folder / "zero", folder / "root-only"
    try:
        folder.mkdir()
        for node, mode in ((path, 0o666), (root_only, 0o400)):
            os.mknod(node, stat.S_IFCHR, os.makedev(1, 5))
            node.chmod(mode)
        with path.open("rb") as file:
            file.read(1)
        yield str(path)
    except OSError as error:
        pytest.skip(f"device files can't be created here: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def gpu_jail(tmp_path_factory: pytest.TempPathFactory, device: str) -> Iterator[Jail]:
    """Open a jail as on a machine whose driver has one device file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jail, "device_profile", lambda _: gpu_profile((device,)))
        scratch = tmp_path_factory.mktemp("scratch")
        with training_jail("bwrap", scratch, preload=("trainer.gates.examination",), device="cuda") as opened:
            yield opened


def test_a_machine_without_a_card_has_no_gpu_profile(monkeypatch: pytest.MonkeyPatch):
    """The error names the missing device and a remedy; the profile for a CPU is always available."""
    monkeypatch.setattr("sandbox.profile.Path.glob", lambda *_: iter(()))
    with pytest.raises(SandboxUnavailable, match=f"no {CONTROL_DEVICE}: .* choose a scale on cpu"):
        device_profile("cuda")
    assert device_profile("cpu") is CPU_PROFILE


def test_a_device_file_of_root_is_left_out(device: str, monkeypatch: pytest.MonkeyPatch):
    """A run has another user id, so a device file that it can't read would stop it at once."""
    monkeypatch.setattr("sandbox.profile.DEVICE_PATTERNS", (f"{Path(device).parent.name}/*",))
    monkeypatch.setattr("sandbox.profile.CONTROL_DEVICE", device)
    assert device_profile("cuda").devices == (device,)


def test_the_device_can_be_used(gpu_jail: Jail, device: str):
    """Read, write and ioctl reach the device: the error ENOTTY is its own, not the sandbox'."""
    source = (
        f"import fcntl, errno\nwith open({device!r}, 'r+b', buffering=0) as device:\n"
        "    assert device.read(3) == bytes(3) and device.write(b'x') == 1\n"
        "    try:\n        fcntl.ioctl(device, 0x5401)\n"
        "    except OSError as error:\n        assert error.errno == errno.ENOTTY, error\n"
    )
    assert examine(gpu_jail, source + MIXER) == "passed"


def test_a_compiler_can_be_started(gpu_jail: Jail):
    """It may write to the scratch folder, and the run may load its output as code."""
    source = (
        "import subprocess, sys, mmap\n"
        "subprocess.run(['/bin/sh', '-c', 'cat /usr/bin/env > output'], check=True)\n"
        "with open('output', 'rb') as file:\n"
        "    mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)\n"
    )
    assert examine(gpu_jail, source + MIXER) == "passed"


def test_address_space_is_not_limited(gpu_jail: Jail):
    """A driver may reserve a terabyte; the limit is on used memory, as the hostile programs below show."""
    reserve = "import mmap\nmmap.mmap(-1, 1 << 40, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)\n"
    assert examine(gpu_jail, reserve + MIXER) == "passed"


def test_a_driver_can_start(gpu_jail: Jail):
    """CUDA names a thread in /proc and listens on an abstract socket; otherwise it fails with error 304."""
    source = (
        "import os, getpass, socket, threading\n"
        "assert os.readlink('/proc/self') == str(os.getpid())\n"
        "name = f'/proc/self/task/{threading.get_native_id()}/comm'\n"
        "with open(name, 'w') as file:\n    file.write('cuda-EvtHandlr')\n"
        "assert open(name).read() == 'cuda-EvtHandlr\\n'\n"
        "with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:\n"
        "    listener.bind(chr(0) + f'driver-{os.getpid()}')\n    listener.listen()\n"
        "assert getpass.getuser() == 'run'\n"
        "assert [name for name in os.listdir('/proc') if name.isdigit()] == ['1', str(os.getpid())]\n"
    )
    assert examine(gpu_jail, source + MIXER) == "passed"


@pytest.mark.parametrize(
    "attempt",
    [
        "os.write(os.open('/proc/1/comm', 1), b'x')", "open('/proc/1/mem')", "open('/proc/sys/kernel/hostname', 'w')",
        "open('/proc/sysrq-trigger', 'w')", "socket.socket(socket.AF_INET)", "socket.socket(socket.AF_NETLINK, 3)",
        "socket.socket(socket.AF_UNIX).bind('here')", "socket.socket(socket.AF_UNIX).connect('/run/dbus')",
        "os.write(os.open('/proc/1/oom_score_adj', 1), b'-1000')", "os.kill(1, 9)",
    ],
)  # fmt: skip
def test_access_that_a_driver_does_not_need_stays_refused(attempt: str, gpu_jail: Jail):
    """The attempts reach for other processes, the network, named sockets and system settings."""
    source = (
        f"import os, socket\ntry:\n    {attempt}\nexcept OSError:\n    pass\nelse:\n    raise SystemExit('allowed')\n"
    )
    assert examine(gpu_jail, source + MIXER) == "passed"


def test_memory_files_count_as_memory(gpu_jail: Jail):
    """The driver needs some. They count whether they are mapped or not, and can't be sent to another process."""
    create = "import os, socket\nfile = os.memfd_create('driver')\nos.write(file, bytes(1 << 20))\n"
    assert examine(gpu_jail, create + MIXER) == "passed"
    fill = f"{create}while True:\n    os.write(os.memfd_create('fill'), bytes(16 << 20))\n"
    assert reason_of(examine(gpu_jail, fill)) == "limit:memory"
    send = f"{create}socket.send_fds(socket.socketpair()[0], [b'x'], [file])\n"
    assert reason_of(examine(gpu_jail, send)) == "denied:syscall"


def test_a_started_program_is_confined_too(gpu_jail: Jail, tmp_path: Path):
    """It reaches neither files of the host, nor the network, nor root."""
    (tmp_path / "secret").write_text("secret")
    for command in (
        f"cat {tmp_path}/secret", "cat /etc/shadow", "echo x > /lab/trainer/x", "echo x > /tmp/x",
        "mount -t tmpfs x /mnt", "exec 3<>/dev/tcp/127.0.0.1/4222", "kill -9 1", "unshare -U true",
    ):  # fmt: skip
        source = f"import subprocess\nassert subprocess.run(['/bin/bash', '-c', {command!r}]).returncode != 0\n"
        assert examine(gpu_jail, source + MIXER) == "passed", command


@pytest.mark.parametrize("program", STILL_REFUSED, ids=lambda program: program.name)
def test_a_hostile_program_ends_as_on_a_cpu(program: Program, gpu_jail: Jail, tmp_path: Path):
    """The same restrictions hold for files, network, system calls, signals and memory; the jail serves the next run."""
    (tmp_path / "memory.duckdb").write_text("the lab's memory")
    outcome = examine(gpu_jail, program.source(tmp_path), program.seconds)
    assert reason_of(outcome) in program.reasons, outcome
    assert (tmp_path / "memory.duckdb").read_text() == "the lab's memory"
    assert gpu_jail.ensure_zygote().run_processes() == []
    assert serves(gpu_jail)
