"""The zygote: one interpreter that has imported what every run needs, and forks a confined run on request.

    python -m sandbox.inside.zygote <control descriptor>

Requests arrive as JSON over a packet socket, with the run's three descriptors (channel, output, status) attached;
replies are JSON too. The zygote never executes anything of a run, and nothing in a run can reach it.
"""

import array
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import warnings

from sandbox.inside import landlock, linux
from sandbox.inside.confinement import RunSpec, start_run

MAX_MESSAGE_BYTES = 1 << 16
DESCRIPTORS_PER_RUN = 3


def become(user: int) -> None:
    """Give up root for a real user id that owns nothing: the limit on processes doesn't bind root. Raises OSError."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def preload(modules: list[str]) -> None:
    """Import what every run needs, once."""
    warnings.simplefilter("ignore")
    for name in modules:
        importlib.import_module(name)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # keeps the collector from writing to pages that runs share


def serve(control: socket.socket) -> None:
    """Answer requests until the other side closes."""
    process_1 = 0
    while True:
        message, ancillary, *_ = control.recvmsg(MAX_MESSAGE_BYTES, socket.CMSG_SPACE(DESCRIPTORS_PER_RUN * 4))
        if not message:
            _end_run(process_1)
            return
        request = json.loads(message)
        if request["command"] == "end":
            _end_run(process_1)
            control.send(b'{"ended": true}')
        else:
            process_1 = _start_run(control, request["spec"], _descriptors(ancillary))


def _start_run(control: socket.socket, spec: dict, descriptors: list[int]) -> int:
    """Start a run and reply, with the reason if it could not start. Returns its process 1, 0 for none."""
    process_1 = 0
    try:
        process_1 = start_run(RunSpec(**spec), *descriptors)
        reply = {"started": process_1}
    except OSError as error:
        reply = {"refused": str(error)}
    for descriptor in descriptors:
        os.close(descriptor)
    control.send(json.dumps(reply).encode())
    return process_1


def _end_run(process_1: int) -> None:
    """Kill a run's process 1, and with it its whole namespace, and wait until the kernel has done so."""
    if process_1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_1, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process_1, signal.SIGKILL)  # without a sandbox the session takes the namespace's place
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                _kill_children()
                os.waitpid(-1, 0)


def _kill_children() -> None:
    """Kill this process' children, which include the orphans of a run."""
    with open(f"/proc/self/task/{os.getpid()}/children") as children:  # noqa: PTH123
        for pid in children.read().split():
            os.kill(int(pid), signal.SIGKILL)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that are attached to a message."""
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return list(descriptors)


def main() -> None:
    """Change to the run's user, import the modules, report readiness, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    settings = json.loads(control.recv(MAX_MESSAGE_BYTES))
    if settings["process_table"]:
        linux.mount_process_table()
    if settings["user"] is not None:
        become(settings["user"])
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    unreadable = [path for path in settings["readable"] if not os.access(path, os.R_OK)]
    if unreadable:
        sys.exit(f"Permission denied: {unreadable[0]}")
    preload(settings["preload"])
    control.send(json.dumps(_readiness(confined=settings["confined"])).encode())
    serve(control)


def _readiness(*, confined: bool) -> dict[str, object]:
    """Return the zygote's id and, if it is confined, the kernel's version of Landlock or why there is none."""
    readiness: dict[str, object] = {"pid": os.getpid()}
    if confined:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        try:
            readiness["landlock"] = landlock.abi_version()
        except OSError as error:
            readiness["landlock_missing"] = str(error)
    return readiness


if __name__ == "__main__":
    main()
