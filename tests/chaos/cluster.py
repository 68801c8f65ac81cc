"""Three NATS servers on loopback, configured as `deploy/nats-cluster.conf` has it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bus.nats import server
from bus.wire import subjects

NAMES = ("n1", "n2", "n3")
CONFIG = (Path(__file__).parents[2] / "deploy/nats-cluster.conf").read_text()


def _config(port: int, http: int, route: int, store: Path) -> str:
    """Return the configuration that is deployed, on loopback."""
    swaps = {
        "  port: 6222": f"  listen: 127.0.0.1:{route}",
        "port: 4222": f"listen: 127.0.0.1:{port}",
        "http: 8222": f"http: 127.0.0.1:{http}",
        "/data": f'"{store}"',
    }
    text = CONFIG
    for was, here in swaps.items():
        assert text.count(was) == 1, f"{was} is not in the configuration"
        text = text.replace(was, here)
    return text


@dataclass
class Cluster:
    """Running servers by name."""

    ports: dict[str, int]
    http: dict[str, int]
    processes: "dict[str, subprocess.Popen[bytes]]"

    def url(self, name: str) -> str:
        """Return a server's address."""
        return f"nats://127.0.0.1:{self.ports[name]}"

    def leader(self, asked: str, stream: str = subjects.LOG) -> str | None:
        """Return who leads a stream, as a server knows; None where there is no leader (yet)."""
        with urlopen(f"http://127.0.0.1:{self.http[asked]}/jsz?streams=true&accounts=true", timeout=5) as reply:
            told = json.load(reply)
        streams = [one for account in told.get("account_details", ()) for one in account.get("stream_detail", ())]
        return next((one["cluster"].get("leader") for one in streams if one["name"] == stream), None)

    def ready(self) -> bool:
        """Say whether the servers have found each other and chosen who leads them."""
        try:
            with urlopen(f"http://127.0.0.1:{self.http['n1']}/jsz", timeout=5) as reply:
                meta = json.load(reply).get("meta_cluster", {})
        except OSError:
            return False
        return bool(meta.get("leader")) and meta.get("cluster_size") == len(NAMES)

    def kill(self, name: str) -> None:
        """Kill a server as a power cut does."""
        self.processes[name].kill()
        self.processes[name].wait(10)


@contextmanager
def cluster(folder: Path, seconds: float = 30.0) -> Iterator[Cluster]:
    """Serve three servers until the end."""
    ports, http, route = ({name: server.free_port() for name in NAMES} for _ in range(3))
    others = {f"ROUTE_{number}": f"nats://127.0.0.1:{port}" for number, port in enumerate(route.values())}
    running = Cluster(ports, http, {})
    try:
        for name in NAMES:
            config = folder / f"{name}.conf"
            config.write_text(_config(ports[name], http[name], route[name], folder / name))
            running.processes[name] = subprocess.Popen(
                [server.server_binary(), "--config", str(config), "--log", str(folder / f"{name}.log")],
                env={**os.environ, "SERVER_NAME": name, **others},
                stdin=subprocess.DEVNULL,
                preexec_fn=server.die_with_parent,  # noqa: PLW1509  (one system call)
            )
        deadline = time.monotonic() + seconds
        while not running.ready():
            assert time.monotonic() < deadline, f"the servers don't find each other; see {folder}"
            time.sleep(0.1)
        yield running
    finally:
        for process in running.processes.values():
            process.kill()
            process.wait(10)
