"""Three NATS servers on loopback that keep every stream three times."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bus import server, subjects

NAMES = ("n1", "n2", "n3")
CONFIG = """
server_name: {name}
listen: 127.0.0.1:{port}
http: 127.0.0.1:{http}
max_payload: 8MB
jetstream {{ store_dir: "{store}", sync_interval: always }}
cluster {{ name: lab, listen: 127.0.0.1:{route}, routes: [{routes}] }}
"""


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
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in route.values())
    running = Cluster(ports, http, {})
    try:
        for name in NAMES:
            config = folder / f"{name}.conf"
            config.write_text(
                CONFIG.format(name=name, port=ports[name], http=http[name], store=folder / name, route=route[name],
                              routes=routes)
            )  # fmt: skip
            running.processes[name] = subprocess.Popen(
                [server.binary(), "--config", str(config), "--log", str(folder / f"{name}.log")],
                stdin=subprocess.DEVNULL, preexec_fn=server.die_with_parent,  # noqa: PLW1509  (one system call)
            )  # fmt: skip
        deadline = time.monotonic() + seconds
        while not running.ready():
            assert time.monotonic() < deadline, f"the servers don't find each other; see {folder}"
            time.sleep(0.1)
        yield running
    finally:
        for process in running.processes.values():
            process.kill()
            process.wait(10)
