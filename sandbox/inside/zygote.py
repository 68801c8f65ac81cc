"""The zygote: one interpreter that has imported torch and forks a confined run whenever it is asked.

    python -m sandbox.inside.zygote <control descriptor>

Orders come as JSON over a packet socket, with the run's three descriptors (channel, output, status) attached; answers
are JSON too. It never executes anything of a candidate, and nothing in a run can reach it.
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

from sandbox.inside import cell, landlock, linux

MESSAGE = 1 << 16
DESCRIPTORS = 3


def become(user: int) -> None:
    """Give up root for a real user id that owns nothing: the limit on processes does not bind root. Raises OSError."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def warm_up(modules: list[str]) -> None:
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
    """Answer orders until the other side closes."""
    first = 0
    while True:
        message, ancillary, *_ = control.recvmsg(MESSAGE, socket.CMSG_SPACE(DESCRIPTORS * 4))
        if not message:
            _end(first)
            return
        order = json.loads(message)
        if order["do"] == "end":
            _end(first)
            control.send(b'{"ended": true}')
        else:
            first = _start(control, order["order"], _descriptors(ancillary))


def _start(control: socket.socket, order: dict, descriptors: list[int]) -> int:
    """Start a run and say so, or say why not. Returns its process 1."""
    first = 0
    try:
        first = cell.open_cell(cell.RunOrder(**order), *descriptors)
        answer = {"started": first}
    except OSError as error:
        answer = {"refused": str(error)}
    for descriptor in descriptors:
        os.close(descriptor)
    control.send(json.dumps(answer).encode())
    return first


def _end(first: int) -> None:
    """Kill a run's process 1, and with it all of its namespace, and wait until the kernel has done so."""
    if first:
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(first, signal.SIGKILL)  # without a sandbox the session takes the namespace's place
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                _kill_children()
                os.waitpid(-1, 0)


def _kill_children() -> None:
    """Kill whatever was left to this process as the nearest living ancestor."""
    with open(f"/proc/self/task/{os.getpid()}/children") as children:  # noqa: PTH123
        for pid in children.read().split():
            os.kill(int(pid), signal.SIGKILL)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a message."""
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def main() -> None:
    """Become the user, load, say hello, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    settings = json.loads(control.recv(MESSAGE))
    if settings["process_table"]:
        linux.mount_process_table()
    if settings["user"] is not None:
        become(settings["user"])
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    unreadable = [path for path in settings["readable"] if not os.access(path, os.R_OK)]
    if unreadable:
        sys.exit(f"Permission denied: {unreadable[0]}")
    warm_up(settings["preload"])
    hello: dict[str, object] = {"pid": os.getpid()}
    if settings["confined"]:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        try:
            hello["landlock"] = landlock.abi()
        except OSError as error:
            hello["landlock_missing"] = str(error)
    control.send(json.dumps(hello).encode())
    serve(control)


if __name__ == "__main__":
    main()
