"""What a device requires of the confinement: one profile for the CPU, one for NVIDIA's GPUs.

A GPU's driver maps hundreds of gigabytes of address space that it never fills, uses device files, names its threads
through /proc, listens on a socket for other processes, and creates memory files. Without the socket or the names it
fails with error 304. Compilers of GPU kernels start programs (ptxas, the C compiler). So a run on a GPU

- has no limit on address space: only the watchdog limits memory, and it counts memory files too;
- may use the driver's device files;
- may keep four processors busy: the driver and autograd have threads of their own, and compilers run at the same time;
- has a process table for its own processes only;
- may open sockets between processes and make some more system calls, in a network namespace that reaches no network;
- may start programs of the read-only runtime. They stay under the same namespaces, Landlock rules, system call filter
  and user id as the run itself.
"""

import os
import stat
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sandbox.faults import SandboxUnavailable

Device = Literal["cpu", "cuda"]
CONTROL_DEVICE = "/dev/nvidiactl"
DEVICE_PATTERNS = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps/*")
"""Device files of the driver, below /dev."""
KERNEL_FOLDERS = ("/proc", "/sys")
"""Folders in which the driver looks for its cards."""
PROGRAM_PATTERNS = (
    "/bin", "/usr/bin", "/sbin/ldconfig", "/usr/sbin/ldconfig",  # Triton asks ldconfig for the driver's library
    "/usr/include", "/usr/lib/gcc", "/usr/libexec/gcc",  # the C compiler
    "/usr/local/nvidia", "/usr/local/cuda*", "/usr/lib/wsl/lib",  # libraries of the driver on some machines
)  # fmt: skip
"""What compilers of GPU kernels need of the system, in addition to its shared libraries."""
INHERITED_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
"""Variables of the parent that select the visible cards."""
REPEATABLE_VARIABLES = (
    ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),  # makes cuBLAS repeat its results bit for bit
    ("MOVE37_RACE_KERNELS", "0"),  # no kernel's configuration is chosen by a clock
)
"""Variables that make the same run give the same bits."""

GPU_CALLS = (
    *("execve", "execveat", "memfd_create", "ioctl", "mlock", "munlock", "mbind", "set_mempolicy"),
    *("socket", "setsockopt", "bind", "listen", "accept", "accept4", "connect", "recvmsg"),
    *("eventfd2", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait"),
)
"""System calls of the driver and of compilers, in addition to those of the CPU (`sandbox.inside.system_calls`)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Confinement of a run on one kind of device."""

    devices: tuple[str, ...] = ()
    """Device files that the run may open, bound into the sandbox."""
    kernel_folders: tuple[str, ...] = ()
    """Folders of the kernel that the run may read."""
    allowed_calls: tuple[str, ...] = ()
    """System calls that are allowed in addition to those of the CPU (`sandbox.inside.system_calls`)."""
    limit_address_space: bool = True
    """Whether the address space is limited, in addition to the memory in use."""
    cpus: float = 1.0
    """Processors that a run may keep busy on average, over its time limit."""
    processes: int = 64
    """Most processes and threads."""
    open_files: int = 64
    """Most open files of a process."""
    scratch_bytes: int = 64 << 20
    """Size of the scratch folder."""
    process_table: bool = False
    """Whether the run has its own process table, in which it may name its threads."""
    program_patterns: tuple[str, ...] = ()
    """Patterns of the system's programs and headers that the run may read and start."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables in addition to the fixed ones."""


CPU_PROFILE = Profile()


def device_profile(device: Device) -> Profile:
    """Return the profile of a device. Raises SandboxUnavailable with the remedy if this machine has no such device."""
    if device == "cpu":
        return CPU_PROFILE
    nodes = sorted(node for pattern in DEVICE_PATTERNS for node in Path("/dev").glob(pattern))
    devices = tuple(str(node) for node in nodes if _is_readable_by_runs(node))
    if CONTROL_DEVICE not in devices:
        raise SandboxUnavailable(
            f"no {CONTROL_DEVICE}: cuda needs an NVIDIA GPU and its driver; hint: choose a scale on cpu"
        )
    return gpu_profile(devices)


def _is_readable_by_runs(node: Path) -> bool:
    """Whether a run may read a device file; if this process is root, a run has another user id.

    The driver reserves some device files for root: those that configure a divided card.
    """
    return bool(node.stat().st_mode & stat.S_IROTH) if os.geteuid() == 0 else os.access(node, os.R_OK)


def gpu_profile(devices: tuple[str, ...]) -> Profile:
    """Return the profile of a machine whose driver has these device files."""
    inherited = tuple((name, os.environ[name]) for name in INHERITED_VARIABLES if name in os.environ)
    return Profile(
        devices=devices,
        kernel_folders=KERNEL_FOLDERS,
        allowed_calls=GPU_CALLS,
        process_table=True,
        limit_address_space=False,
        cpus=4.0,
        processes=512,
        open_files=1024,
        scratch_bytes=2 << 30,
        program_patterns=(*PROGRAM_PATTERNS, sysconfig.get_path("include")),
        environment=(*REPEATABLE_VARIABLES, *inherited),
    )
