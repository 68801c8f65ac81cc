"""The outside's handle on one zygote: start it, order a run, end a run, kill everything.

bubblewrap dies with the *thread* that started it (PR_SET_PDEATHSIG), so each zygote is started by a thread of its own
that waits for it until the end.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import IO, Literal

from sandbox import bubblewrap
from sandbox.faults import SandboxUnavailable
from sandbox.profile import Profile
from sandbox.usage import descendants, usage

Sandbox = Literal["bwrap", "none"]
START_TIMEOUT_S = 120
"""A zygote that has not said hello by then is given up: importing torch took 5 s on a loaded core."""
END_TIMEOUT_S = 5
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
OVERRIDE = "; or say `--sandbox none` to run candidates without containment"


class Zygote:
    """A warm interpreter in its sandbox. One run at a time."""

    def __init__(self, sandbox: Sandbox, packages: tuple[str, ...], preload: tuple[str, ...], profile: Profile) -> None:
        """Start it and wait for its hello. Raises SandboxUnavailable with the remedy."""
        self.profile = profile
        self.confined = sandbox == "bwrap"
        self.runtime = bubblewrap.runtime(packages)
        self.runs = 0
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the zygote)
        self._gone = threading.Event()
        self._ready = threading.Event()
        self._talking = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure = ""
        self._child = 0
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._info = os.pipe()
        threading.Thread(target=self._keep, args=(theirs,), name="zygote", daemon=True).start()
        self._ready.wait()
        self.hello = self._greet(preload)
        self.pid = self.hello["pid"]
        """Its process id as its own sandbox counts."""
        self.base, _ = usage(self.folder)
        """Bytes of its own memory, which every run shares."""

    def _keep(self, theirs: socket.socket) -> None:
        """Start the process and stay until it is gone."""
        user = bubblewrap.unprivileged_user() if self.confined else None
        try:
            self._user = user
            self._process = self._spawn(theirs, user)
        except (OSError, SandboxUnavailable) as error:
            self._failure = str(error)
        finally:
            theirs.close()
            os.close(self._info[1])
            self._ready.set()
        if self._process is not None:
            self._process.wait()
        self._gone.set()

    def _spawn(self, theirs: socket.socket, user: int | None) -> "subprocess.Popen[bytes]":
        """Start the interpreter, in bubblewrap unless it is to run without."""
        runtime, environment = self.runtime, bubblewrap.variables(self.runtime, self.profile)
        program = [runtime.python, "-m", MODULE, str(theirs.fileno())]
        if self.confined:
            program = bubblewrap.command(runtime, self.profile, bubblewrap.binary(), self._info[1], user, program)
            environment = {}
        else:
            root = str(Path(runtime.packages[0][0]).parent)
            environment["HOME"] = environment["TMPDIR"] = tempfile.gettempdir()
            environment["PYTHONPATH"] = os.pathsep.join([root, *runtime.path[1:]])
        return subprocess.Popen(
            program,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=environment,
            pass_fds=(theirs.fileno(), self._info[1]),
            start_new_session=True,
        )

    def _greet(self, preload: tuple[str, ...]) -> dict:
        """Send the settings, return the hello; where there is none, say what to do about it."""
        hello = None
        if not self._failure:
            readable = self.runtime.samples if self.confined else []
            settings = {"user": self._user, "preload": preload, "confined": self.confined, "readable": readable}
            settings["process_table"] = self.profile.process_table and self._user is not None
            hello = self._ask(settings, START_TIMEOUT_S)
        if hello is None or "landlock_missing" in hello:
            self.kill()
            why = self._why(hello)
            self.close()
            raise SandboxUnavailable(why)
        return hello

    def _why(self, hello: dict | None) -> str:
        """One line that names what is missing, and the remedy."""
        if hello is not None:
            return f"no Landlock in this kernel ({hello['landlock_missing']}): Linux 5.13 with it enabled{OVERRIDE}"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        said = self._failure or (lines[-1] if lines else "the jail's interpreter did not answer")
        remedy = next((text for sign, text in REMEDIES.items() if sign in said), "")
        return f"the jail can't be had: {said[:500]}{': ' + remedy if remedy else ''}{OVERRIDE}"

    @property
    def folder(self) -> Path:
        """Its own folder in a process table that is readable from here."""
        return self._table() / str(self.pid)

    def processes(self) -> list[Path]:
        """Return the process folders of the present run. Raises OSError where the sandbox is gone."""
        if not self.confined:
            return [Path(f"/proc/{pid}") for pid in descendants(self.pid)]
        table, apart = self._table(), {"1", str(self.pid)}
        return [table / name for name in os.listdir(table) if name.isdigit() and name not in apart]  # noqa: PTH208

    @property
    def readable(self) -> list[str]:
        """The folders that a run may read, as its sandbox names them."""
        packages = [inside for _, inside in self.runtime.packages]
        return [*bubblewrap.SYSTEM, *self.runtime.folders, *packages, *self.profile.kernel]

    def _table(self) -> Path:
        """Return the process table that the sandbox sees, read from here."""
        return Path(f"/proc/{self._sandbox_pid()}/root/proc") if self.confined else Path("/proc")

    def _sandbox_pid(self) -> int:
        """Return the process id of the sandbox' process 1 as this machine counts."""
        if self._child == 0:
            self._child = int(json.loads(os.read(self._info[0], 4096))["child-pid"])
        return self._child

    def start(self, order: dict, descriptors: list[int]) -> str:
        """Fork a run that holds the descriptors; return why it could not, or ''."""
        self.runs += 1
        message = json.dumps({"do": "start", "order": order}).encode()
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            return str(error)
        answer = self._receive(END_TIMEOUT_S * 4)
        return "the zygote does not answer" if answer is None else answer.get("refused", "")

    def end(self) -> None:
        """Kill what is left of the run and wait until it is gone; on any doubt that it is, kill the whole sandbox."""
        with self._talking:
            ended = self._ask({"do": "end"}, END_TIMEOUT_S) is not None
        try:
            if ended and not self.processes():
                return
        except OSError:  # the sandbox is already gone
            pass
        self.kill()

    def _ask(self, message: dict, seconds: float) -> dict | None:
        """Send a message and return the answer, None where none came."""
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:
            return None
        return self._receive(seconds)

    def _receive(self, seconds: float) -> dict | None:
        """Return the next answer, None where none came in time."""
        self._control.settimeout(seconds)
        try:
            answer = self._control.recv(1 << 16)
        except OSError:
            return None
        return json.loads(answer) if answer else None

    def kill(self) -> None:
        """Kill the sandbox and everything in it; return when it is gone."""
        if self._process is not None and self.alive:
            orphans = [] if self.confined else descendants(self._process.pid)
            self._process.kill()
            for pid in orphans:  # without a sandbox nothing else takes them along
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._gone.wait(END_TIMEOUT_S)

    def close(self) -> None:
        """Kill it and let go of its descriptors."""
        self.kill()
        self._control.close()
        self._log.close()
        os.close(self._info[0])

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._gone.is_set()
