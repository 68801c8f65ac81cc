"""`compose.yaml`: keys and TLS by default, nobody is root, and its commands run as they are written."""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import yaml

from bus.nats import server
from lab.roster import role_names
from lab.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "nats"}
LIBRARIES = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
"""What an interpreter may need to find its own library."""
USER = 10001
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def secret_folders(service: dict[str, Any]) -> list[str]:
    """Return the parts of the volume of secrets that a service sees; the whole is an empty text."""
    mounts = [mount for mount in service.get("volumes", ()) if "secrets" in str(mount)]
    return [mount["volume"]["subpath"] if isinstance(mount, dict) else "" for mount in mounts]


def test_nobody_is_root_and_images_have_tags() -> None:
    """Ours is the project's version; a GPU image is another one."""
    assert {service["user"] for service in SERVICES.values()} == {f"{USER}:{USER}"}
    assert {service["image"] for service in OURS.values()} == {f"move37:{VERSION}-cpu", f"move37:{VERSION}-gpu"}
    assert SERVICES["trainer-gpu"]["build"]["args"]["EXTRA"] == "gpu"
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {USER}:{USER}\nENTRYPOINT" in dockerfile
    assert f"--uid {USER}" in dockerfile


def test_each_service_has_its_own_key_alone_and_connects_with_tls() -> None:
    """Only the one-shot service that makes the secrets sees all of them."""
    assert secret_folders(SERVICES["secrets"]) == [""]
    assert secret_folders(SERVICES["nats"]) == ["nats"]
    for name, service in OURS.items():
        if name == "secrets":
            continue
        (folder,) = secret_folders(service)
        role = (
            service["command"][1]
            if service["command"][0] == "serve"
            else {"metrics": "reader", "campaign": "lab"}[name]
        )
        assert folder == role
        environment = service["environment"]
        assert environment["NATS_URL"].startswith("tls://")
        assert environment["MOVE37_NKEY_FILE"] == f"/run/move37/{role}.nk"
        assert environment["MOVE37_TLS_CA"] == "/run/move37/cert.pem"
        assert "MOVE37_ALLOW_PLAINTEXT" not in environment
        names = {key.removeprefix("MOVE37_").lower() for key in environment if key.startswith("MOVE37_")}
        assert names <= Settings.model_fields.keys()


def test_one_kind_of_trainer_runs_at_once_and_the_jail_may_work() -> None:
    """Their profiles differ, and one of them is on by default."""
    assert SERVICES["trainer"]["profiles"] == ["cpu"]
    assert SERVICES["trainer-gpu"]["profiles"] == ["gpu"]
    assert "COMPOSE_PROFILES=cpu\n" in (ROOT / ".env").read_text()
    for name in ("trainer", "trainer-gpu"):
        assert set(SERVICES[name]["security_opt"]) == {
            "seccomp:unconfined", "apparmor:unconfined", "systempaths=unconfined",
        }  # fmt: skip


def test_volumes_are_named_and_the_output_of_a_campaign_names_its_volume() -> None:
    """The path of the report begins with the volume's name; weights of all trainers are below it too."""
    names = {volume["name"] for volume in COMPOSE["volumes"].values()}
    assert names == {f"move37-{each}" for each in ("secrets", "nats", "lab", "artifacts", "campaign")}
    campaign = SERVICES["campaign"]
    home = campaign["environment"]["MOVE37_HOME"]
    assert home == f"/volumes/{COMPOSE['volumes']['campaign']['name']}"
    assert {f"campaign:{home}", f"artifacts:{home}/artifacts"} <= set(map(str, campaign["volumes"]))
    assert "artifacts:/lab/artifacts" in SERVICES["trainer"]["volumes"]


def test_services_that_keep_running_have_a_health_check() -> None:
    """It asks the port of the setting."""
    for name, service in OURS.items():
        if service["command"][0] == "serve":
            port = service["environment"]["MOVE37_HEALTH_PORT"]
            assert f"127.0.0.1:{port}/healthz" in service["healthcheck"]["test"][-1], name
    served = {service["command"][1] for service in OURS.values() if service["command"][0] == "serve"}
    assert served == set(role_names())


def other_user() -> int | None:
    """Return the containers' user if this process is root and that user can run Python here, else None: no change."""
    command = [sys.executable, "-c", "import lab.cli"]
    if os.getuid():
        return None
    try:
        result = subprocess.run(command, cwd=ROOT, user=USER, group=USER, capture_output=True, check=False)
    except OSError:
        return None
    return None if result.returncode else USER


@dataclass
class Containers:
    """Runs the commands of compose.yaml in a folder, which stands for the volumes and the mounted files."""

    folder: Path
    port: int = field(default_factory=server.free_port)
    monitor: int = field(default_factory=server.free_port)
    health: int = field(default_factory=server.free_port)
    user: int | None = field(default_factory=other_user)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folders of the volumes, and the program's name on the PATH as in the image."""
        program = self.folder / "bin" / "move37"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lab.cli "$@"\n')
        program.chmod(0o755)
        for name in ("secrets", "secrets/nats", "data", "lab", "etc"):
            (self.folder / name).mkdir()
        config = (ROOT / "deploy" / "nats.conf").read_text().replace("/data", f"{self.folder}/data")
        (self.folder / "etc" / "nats.conf").write_text(config)
        (self.folder / "etc" / "secrets").symlink_to(self.folder / "secrets" / "nats")
        self.folder.chmod(0o755)
        if self.user:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, self.user, self.user)

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service with its command and its environment, volumes and ports replaced."""
        service = SERVICES[name]
        entry = {"secrets": [str(ROOT / "deploy" / "make-secrets")], "nats": [server.server_binary()]}
        command = [*entry.get(name, ["move37"]), *map(self.place, service["command"])]
        if name == "nats":
            command += ["--port", str(self.port), "--http_port", str(self.monitor)]
        environment = {key: self.place(str(value), name) for key, value in service.get("environment", {}).items()}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        with (self.folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                command, cwd=self.folder / "secrets" / "nats" if name == "nats" else self.folder,
                env={**LIBRARIES, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(self.folder), **environment},
                user=self.user, group=self.user, stdout=output, stderr=output,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, name: str) -> None:
        """Run a one-shot service."""
        assert self.start(name).wait(120) == 0, self.output(name)

    def output(self, name: str) -> str:
        """Return what a service has printed."""
        return (self.folder / f"{name}.log").read_text()

    def place(self, text: str, name: str = "") -> str:
        """Return a text of compose.yaml for this machine."""
        if text == "tls://nats:4222":
            return f"tls://127.0.0.1:{self.port}"
        if text == SERVICES["memory"]["environment"]["MOVE37_HEALTH_PORT"]:
            return str(self.health)
        places = {"/secrets": "secrets", "/etc/nats/nats.conf": "etc/nats.conf", "/lab": "lab"}
        if text in places:
            return str(self.folder / places[text])
        return text.replace("/run/move37", f"{self.folder}/secrets/{name}")


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """Yield the containers, and end them."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    for place in (tmp_path, *tmp_path.parents):
        if "pytest" in place.name and os.getuid() == 0:  # pytest closes its folders to other users
            place.chmod(0o755)
    containers = Containers(tmp_path)
    yield containers
    for process in containers.processes:
        process.kill()
        process.wait()


def test_the_commands_make_secrets_a_server_with_tls_and_a_service_that_is_ready(containers: Containers) -> None:
    """As written, by another user than root: a second run of the secrets changes none of them."""
    containers.run("secrets")
    secrets = containers.folder / "secrets"
    seeds = {path: path.read_bytes() for path in secrets.rglob("*.nk")}
    assert {path.parent.name for path in seeds} >= {*role_names(), "lab", "reader", "human"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in seeds)
    containers.run("secrets")
    assert {path: path.read_bytes() for path in secrets.rglob("*.nk")} == seeds
    nats = containers.start("nats")
    server.wait_until_ready(containers.port, nats)
    desk = containers.start("desk")
    assert _answer(containers, "healthz") == 200
    deadline = time.monotonic() + 60
    while _answer(containers, "readyz") != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _answer(containers, "readyz") == 200
    assert _answer(containers, "elsewhere") == 404
    status = json.loads(_status(containers))
    assert [service["role"] for service in status["services"]] == ["desk"]
    assert {one["role"] for one in status["absent"]} >= {"memory", "trainer"}
    if containers.user:
        assert Path(f"/proc/{desk.pid}").stat().st_uid == containers.user


def _answer(containers: Containers, path: str) -> int:
    """Return the status that a service's health port answers with, as soon as it listens."""
    deadline = time.monotonic() + 60
    while True:
        assert containers.processes[-1].poll() is None, containers.output("desk")
        try:
            with urlopen(f"http://127.0.0.1:{containers.health}/{path}", timeout=20) as reply:
                return reply.status
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _status(containers: Containers) -> str:
    """Return the status of the lab, read with the reader's key over TLS."""
    folder = containers.folder / "secrets" / "reader"
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "NATS_URL": f"tls://127.0.0.1:{containers.port}",
        "MOVE37_TLS_CA": str(folder / "cert.pem"), "MOVE37_NKEY_FILE": str(folder / "reader.nk"),
    }  # fmt: skip
    command = [sys.executable, "-m", "lab.cli", "status", "--json"]
    result = subprocess.run(command, cwd=containers.folder, env=environment, capture_output=True, check=True)
    return result.stdout.decode()
