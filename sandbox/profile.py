"""What a run's device asks of its walls: one profile for the CPU, one for NVIDIA's GPUs.

A GPU's driver maps hundreds of gigabytes of address space that it never fills, talks to the kernel through device
files, names its threads through /proc and listens on a socket for other processes of its own (refused either, it gives
up with error 304), and keeps memory files. Triton compiles kernels with programs (ptxas, the C compiler). So memory
is held by the watch alone there, which counts memory files too; the device files are bound; there is a process table of
the run's own; sockets are those of its own network namespace that reach no network; and programs of the read-only
runtime may be started. They stay behind the same walls as whoever starts them: namespaces, Landlock, system calls, user
id.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.faults import SandboxUnavailable

Device = Literal["cpu", "cuda"]
CONTROL = "/dev/nvidiactl"
NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps/*")
"""Device files of the driver, below /dev."""
KERNEL = ("/proc", "/sys")
"""Where the driver looks for its cards."""
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
"""Which cards a trainer was given."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a run on a device is held."""

    devices: tuple[str, ...] = ()
    """Device files that it may open, bound into the sandbox."""
    kernel: tuple[str, ...] = ()
    """Folders of the kernel that it may read."""
    calls: tuple[str, ...] = ()
    """System calls that are refused elsewhere (`sandbox.inside.seccomp`) and may be made here."""
    bounded: bool = True
    """Whether its address space is limited besides the memory that it really uses."""
    processes: int = 64
    """Processes and threads."""
    files: int = 64
    """Open at once."""
    scratch_bytes: int = 64 << 20
    """In its scratch folder."""
    process_table: bool = False
    """Whether it needs a process table of its own, with its threads under their own numbers, which it may name."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables besides the fixed ones."""


CPU = Profile()


def profile(device: Device) -> Profile:
    """Return the profile of a device. Raises SandboxUnavailable with the remedy where this machine has none such."""
    if device == "cpu":
        return CPU
    found = sorted(node for pattern in NODES for node in Path("/dev").glob(pattern))
    nodes = tuple(str(node) for node in found if _open_to_runs(node))
    if CONTROL not in nodes:
        raise SandboxUnavailable(f"no {CONTROL}: this scale needs an NVIDIA GPU and its driver; choose a scale on cpu")
    return gpu(nodes)


def _open_to_runs(node: Path) -> bool:
    """Whether a run, which is nobody in particular where this process is root, may read a device file.

    The driver keeps some for root: those that set up a divided card.
    """
    return bool(node.stat().st_mode & stat.S_IROTH) if os.geteuid() == 0 else os.access(node, os.R_OK)


def gpu(nodes: tuple[str, ...]) -> Profile:
    """Return the profile of a machine whose driver has these device files."""
    passed = tuple((name, os.environ[name]) for name in PASSED_ON if name in os.environ)
    repeatable = (
        ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),  # cuBLAS repeats itself bit for bit with this
        ("MOVE37_RACE_KERNELS", "0"),  # ours do where none is chosen by a clock (kernels/recurrence/gpu/tuning.py)
    )
    return Profile(
        devices=nodes,
        kernel=KERNEL,
        calls=("execve", "execveat", "memfd_create", "socket"),
        process_table=True,
        bounded=False,
        processes=512,
        files=1024,
        scratch_bytes=2 << 30,
        environment=(*repeatable, *passed),
    )
