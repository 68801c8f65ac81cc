"""The parent's handle of one zygote: start it, start and end a run in it, kill everything.

bubblewrap dies with the *thread* that started it (PR_SET_PDEATHSIG). So each zygote is started by its own thread,
which waits for it until the end.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Literal

from sandbox import bubblewrap
from sandbox.control_group import ControlGroup
from sandbox.faults import SandboxUnavailable
from sandbox.profile import Profile
from sandbox.runtime import Runtime
from sandbox.usage import descendants, process_usage

Sandbox = Literal["bwrap", "none"]
"""Kind of sandbox: bubblewrap, or no containment at all."""
START_TIMEOUT_S = 120
"""Seconds until a zygote that isn't ready is given up: importing torch took 5 s on a loaded core."""
END_TIMEOUT_S = 5
"""Seconds that the end of a run, or of a zygote, may take."""
MAX_REPLY_BYTES = 1 << 16
MODULE = "sandbox.inside.zygote"
REMEDIES = {
    "No permissions to create": "user namespaces are off: `sysctl kernel.unprivileged_userns_clone=1 "
    "user.max_user_namespaces=15000`, or run as root",
    "setting up uid map": "AppArmor forbids user namespaces: install a profile that allows `userns` for bwrap, or "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0`",
    "Creating new namespace failed": "this container forbids namespaces: give it CAP_SYS_ADMIN, or a seccomp profile "
    "that allows unshare and mount",
    "Operation not permitted": "this container forbids what bwrap needs: run it with CAP_SYS_ADMIN and a seccomp "
    "profile that allows unshare, mount and pivot_root",
    "Permission denied": "the sandbox' user can't read the environment: `chmod -R o+rX` the folder named here",
}
"""Remedies by a part of bubblewrap's error message."""
OVERRIDE = "use `--sandbox none` to run candidates without containment"


class Zygote:
    """An interpreter in its sandbox with its modules imported. One run at a time."""

    def __init__(self, sandbox: Sandbox, runtime: Runtime, preload: tuple[str, ...], profile: Profile) -> None:
        """Start it and wait until it is ready. Raises SandboxUnavailable with the remedy."""
        self.profile = profile
        self.confined = sandbox == "bwrap"
        self.runtime = runtime
        self.runs = 0
        """Number of runs so far."""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the zygote)
        self._exited = threading.Event()
        self._spawned = threading.Event()
        self._control_lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._spawn_error = ""
        self._cached_sandbox_pid = 0
        self.group: ControlGroup | None = None
        """The kernel's limits on everything in the sandbox; None if this machine gives none."""
        self._control, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._info = os.pipe()
        threading.Thread(target=self._supervise, args=(child_end,), name="zygote", daemon=True).start()
        self._spawned.wait()
        readiness = self._handshake(preload)
        self.pid: int = readiness["pid"]
        """Its process id in its own sandbox."""
        self.landlock: int = readiness.get("landlock", 0)
        """The kernel's version of Landlock, 0 if it isn't confined."""
        self.base_bytes = process_usage(self.process_folder).memory_bytes
        """Bytes of its own memory, which every run shares."""
        self.group = ControlGroup.around(self._processes())

    def _supervise(self, child_end: socket.socket) -> None:
        """Start the process and wait until it exits."""
        self._user = bubblewrap.unprivileged_user() if self.confined else None
        try:
            self._process = self._spawn(child_end)
        except (OSError, SandboxUnavailable) as error:
            self._spawn_error = str(error)
        finally:
            child_end.close()
            os.close(self._info[1])
            self._spawned.set()
        if self._process is not None:
            self._process.wait()
        self._exited.set()

    def _spawn(self, child_end: socket.socket) -> "subprocess.Popen[bytes]":
        """Start the interpreter, in bubblewrap if it is to be confined."""
        program, environment = self._program(["-m", MODULE, str(child_end.fileno())])
        return subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=environment,
            pass_fds=(child_end.fileno(), self._info[1]),
            start_new_session=True,
        )

    def _program(self, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment that start the interpreter, confined or not."""
        runtime, profile = self.runtime, self.profile
        if self.confined:
            bwrap = bubblewrap.find_bwrap()
            program = [runtime.python, *arguments]
            return bubblewrap.bwrap_command(runtime, profile, bwrap, self._info[1], self._user, program), {}
        environment = bubblewrap.environment(runtime, profile)
        root = str(Path(runtime.packages[0]).parent)
        environment["HOME"] = environment["TMPDIR"] = tempfile.gettempdir()
        environment["PYTHONPATH"] = os.pathsep.join([root, *runtime.sites])
        return [sys.executable, *arguments], environment

    def _handshake(self, preload: tuple[str, ...]) -> dict:
        """Send the settings and return what the zygote is ready with. Raises SandboxUnavailable with the remedy."""
        reply = None
        if not self._spawn_error:
            settings = {
                "user": self._user,
                "preload": preload,
                "confined": self.confined,
                "readable": self.runtime.samples if self.confined else [],
                "process_table": self.profile.process_table and self._user is not None,
            }
            reply = self._request(settings, START_TIMEOUT_S)
        if reply is None or "landlock_missing" in reply:
            self.kill()
            message = self._unavailable_message(reply)
            self.close()
            raise SandboxUnavailable(message)
        return reply

    def _unavailable_message(self, reply: dict | None) -> str:
        """Return one line that names what is missing, and the remedy."""
        if reply is not None:
            missing = reply["landlock_missing"]
            return f"no Landlock in this kernel ({missing}); hint: use Linux 5.13 with it enabled, or {OVERRIDE}"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        error = self._spawn_error or (lines[-1] if lines else "the sandbox' interpreter did not answer")
        remedy = next((remedy for sign, remedy in REMEDIES.items() if sign in error), "")
        hint = f"{remedy}, or {OVERRIDE}" if remedy else OVERRIDE
        return f"the sandbox is not available ({error[:500]}); hint: {hint}"

    @property
    def process_folder(self) -> Path:
        """Its own folder in a process table that this process can read."""
        return self._process_table() / str(self.pid)

    def run_processes(self) -> list[Path]:
        """Return the process folders of the present run, parents first. Raises OSError if the sandbox is gone."""
        if not self.confined:
            return [Path(f"/proc/{pid}") for pid in descendants(self.pid)]
        table, others = self._process_table(), {"1", str(self.pid)}
        pids = [name for name in os.listdir(table) if name.isdigit() and name not in others]  # noqa: PTH208
        return [table / pid for pid in sorted(pids, key=int)]

    @property
    def readable(self) -> list[str]:
        """The files and folders that a run may read, by their paths in the sandbox."""
        return [*self.runtime.readable, *self.profile.kernel_folders]

    def _process_table(self) -> Path:
        """Return the sandbox' process table, by its path outside."""
        return Path(f"/proc/{self._sandbox_pid()}/root/proc") if self.confined else Path("/proc")

    def _sandbox_pid(self) -> int:
        """Return the process id of the sandbox' process 1 on this machine."""
        if self._cached_sandbox_pid == 0:
            self._cached_sandbox_pid = int(json.loads(os.read(self._info[0], 4096))["child-pid"])
        return self._cached_sandbox_pid

    def _processes(self) -> list[int]:
        """Return the ids of its processes on this machine."""
        return [] if self._process is None else [self._process.pid, *descendants(self._process.pid)]

    def limit_group(self, memory_bytes: int, tasks: int, cpus: float) -> None:
        """Set the kernel's limits for the next run, if there are any; a sandbox without its group is killed."""
        try:
            if self.group is not None:
                self.group.limit(memory_bytes, tasks, cpus)
        except OSError:
            self.kill()

    def start_run(self, spec: dict, descriptors: list[int]) -> str:
        """Fork a run with these descriptors; return why it could not start, or ""."""
        self.runs += 1
        message = json.dumps({"command": "start", "spec": spec}).encode()
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            return str(error)
        reply = self._receive(END_TIMEOUT_S * 4)
        return "the zygote does not answer" if reply is None else reply.get("refused", "")

    def end_run(self) -> None:
        """Kill the run and wait until all of it is gone; if that is in doubt, kill the whole sandbox."""
        with self._control_lock:
            ended = self._request({"command": "end"}, END_TIMEOUT_S) is not None
        try:
            if ended and not self.run_processes():
                return
        except OSError:  # the sandbox is already gone
            pass
        self.kill()

    def _request(self, message: dict, timeout_s: float) -> dict | None:
        """Send a message and return the reply, None if there was none."""
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            return None
        return self._receive(timeout_s)

    def _receive(self, timeout_s: float) -> dict | None:
        """Return the next reply, None if none arrived in time."""
        self._control.settimeout(timeout_s)
        try:
            reply = self._control.recv(MAX_REPLY_BYTES)
        except OSError:
            return None
        return json.loads(reply) if reply else None

    def kill(self) -> None:
        """Kill the sandbox and everything in it; return when it is gone."""
        if self._process is not None and self.alive:
            orphans = [] if self.confined else descendants(self._process.pid)
            self._process.kill()
            for pid in orphans:  # without a sandbox, killing the zygote doesn't kill them
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._exited.wait(END_TIMEOUT_S)

    def close(self) -> None:
        """Kill it and close its descriptors."""
        self.kill()
        if self.group is not None:
            self.group.remove()
        self._control.close()
        self._log.close()
        os.close(self._info[0])

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._exited.is_set()
