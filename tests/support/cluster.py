"""Three NATS servers on loopback, with the configuration of `deploy/nats-cluster.conf`; clients need no keys."""

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
CERTIFICATE = (
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=move37",
    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem",
)  # fmt: skip
"""Makes the certificate by which the servers let each other in, as `deploy/make-secrets` does."""
CONFIG = Path(__file__).parents[2] / "deploy" / "nats-cluster.conf"


@dataclass
class Cluster:
    """Running servers by name."""

    ports: dict[str, int]
    monitoring_ports: dict[str, int]
    processes: "dict[str, subprocess.Popen[bytes]]"

    def url(self, name: str) -> str:
        """Return a server's address."""
        return f"nats://127.0.0.1:{self.ports[name]}"

    def leader(self, name: str, stream: str = subjects.LOG) -> str | None:
        """Return the name of a stream's leader as one server reports it, or None if it knows of no leader."""
        with urlopen(self._report_url(name, "?streams=true&accounts=true"), timeout=5) as reply:
            report = json.load(reply)
        streams = [row for account in report.get("account_details", ()) for row in account.get("stream_detail", ())]
        return next((row["cluster"].get("leader") for row in streams if row["name"] == stream), None)

    def is_ready(self) -> bool:
        """Return True if the servers are connected and have elected a leader of the cluster."""
        try:
            with urlopen(self._report_url(NAMES[0]), timeout=5) as reply:
                cluster = json.load(reply).get("meta_cluster", {})
        except OSError:
            return False
        return bool(cluster.get("leader")) and cluster.get("cluster_size") == len(NAMES)

    def kill(self, name: str) -> None:
        """Kill a server without warning, as a power cut does."""
        self.processes[name].kill()
        self.processes[name].wait(10)

    def _report_url(self, name: str, query: str = "") -> str:
        """Return the address of a server's report on JetStream."""
        return f"http://127.0.0.1:{self.monitoring_ports[name]}/jsz{query}"


@contextmanager
def running_cluster(folder: Path, seconds: float = 30.0) -> Iterator[Cluster]:
    """Run three servers while the context lasts; it starts once they are ready, at most `seconds` later."""
    ports, monitoring_ports, route_ports = ({name: server.free_port() for name in NAMES} for _ in range(3))
    routes = {f"ROUTE_{number}": f"nats://127.0.0.1:{port}" for number, port in enumerate(route_ports.values())}
    cluster = Cluster(ports, monitoring_ports, {})
    subprocess.run(CERTIFICATE, cwd=folder, capture_output=True, check=True)
    try:
        for name in NAMES:
            config = folder / f"{name}.conf"
            config.write_text(_loopback_config(ports[name], monitoring_ports[name], route_ports[name], folder / name))
            cluster.processes[name] = subprocess.Popen(
                [server.server_binary(), "--config", str(config), "--log", str(folder / f"{name}.log")],
                cwd=folder,
                env={**os.environ, "SERVER_NAME": name, "ADVERTISE": f"127.0.0.1:{ports[name]}", **routes},
                stdin=subprocess.DEVNULL,
                preexec_fn=server.die_with_parent,  # noqa: PLW1509  (one system call)
            )
        deadline = time.monotonic() + seconds
        while not cluster.is_ready():
            assert time.monotonic() < deadline, f"the cluster is not ready after {seconds} s; see {folder}"
            time.sleep(0.1)
        yield cluster
    finally:
        for process in cluster.processes.values():
            process.kill()
            process.wait(10)


def _loopback_config(port: int, monitoring_port: int, route_port: int, store: Path) -> str:
    """Return the deployed configuration with ports on loopback and a store of its own."""
    replacements = {
        "include ./secrets/authorization.conf\ntls": "# tls",
        "  port: 6222": f"  listen: 127.0.0.1:{route_port}",
        "port: 4222": f"listen: 127.0.0.1:{port}",
        "http: 8222": f"http: 127.0.0.1:{monitoring_port}",
        "/data": f'"{store}"',
    }
    text = CONFIG.read_text()
    for deployed, local in replacements.items():
        assert text.count(deployed) == 1, f"{deployed} is not once in {CONFIG}"
        text = text.replace(deployed, local)
    return text
