"""The staff of a lab: absent roles, services that wait for their server and first campaign, and draining."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from bus.delivery.bus import Bus
from bus.delivery.role import Post
from bus.nats import server
from bus.nats.micro import register_service
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.vocabulary.events import RunFailed
from lab.client.staff import Staff
from lab.home import Home
from lab.roster import all_durables, needed_roles
from tests.support.factories import campaign_started
from tests.support.labs import ROOT, move37

FAILED = RunFailed(run="e0001-a0", worker="1", attempt=0, stage="train", reason="timeout", message="too slow")


@dataclass
class KeyedServer:
    """A server with the keys of a home, and no streams yet; `start` starts it."""

    home: Home
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = server.start_server(self.home.nats, self.port, self.home.authorization())

    async def connect(self, role: str = access.ADMIN) -> NatsTransport:
        """Connect with a role's key."""
        return await NatsTransport.connect(self.url, name="test", identity=Identity(role, self.seed(role)))

    def seed(self, role: str) -> Path:
        """Return the file of a role's key."""
        return keys.seed_path(self.home.keys, role)

    def environment(self, role: str) -> dict[str, str]:
        """Return what a service of a role needs to connect."""
        return {"MOVE37_NKEY_FILE": str(self.seed(role)), "NATS_URL": self.url, "MOVE37_HOME": str(self.home.root)}

    def serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a service as an operator does."""
        command = [sys.executable, "-m", "lab.cli", "serve", *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment(arguments[0])}
        return subprocess.Popen(command, cwd=self.home.root, env=env, stderr=subprocess.PIPE)

    def status(self) -> dict:
        """Return what `move37 status --json` prints."""
        return json.loads(move37("status", "--json", env=self.environment("reader"), cwd=self.home.root))


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[KeyedServer]:
    """Yield a keyed server that is not started."""
    home = Home(tmp_path)
    home.authorization()
    keyed = KeyedServer(home, server.free_port())
    yield keyed
    if keyed.process:
        keyed.process.terminate()
        keyed.process.wait(10)


async def test_the_roll_call_names_absent_roles_and_when_they_were_heard_of(keyed: KeyedServer) -> None:
    """By their newest event, and later by their answers; each with the command that starts one."""
    keyed.start()
    admin = await keyed.connect()
    await admin.provision(all_durables())
    await Bus(admin, "trainer").publish(Post("e0001", FAILED), "c")
    staff, before = Staff(), await Staff().call(admin)
    absent = {one.role: one for one in before.absent}
    assert set(absent) == set(needed_roles()) == {"memory", "trainer", "analyst", "desk", "director", "engineer",
                                                  "researcher"}  # fmt: skip
    assert not before.working
    since = absent["trainer"].since
    assert since is not None
    assert abs((before.time - since).total_seconds()) < 60
    assert absent["memory"].since is None
    assert absent["trainer"].command == f"move37 serve trainer --nats {keyed.url}"
    memory = await keyed.connect("memory")
    await register_service(memory.client, "memory", "1", Bus(memory, "memory").vitals)
    during = await staff.call(admin)
    assert "memory" not in {one.role for one in during.absent}
    assert during.working
    await memory.close()
    after = await staff.call(admin)
    (missing,) = [one for one in after.absent if one.role == "memory"]
    assert missing.since == during.time
    await admin.close()


def test_a_dashboard_waits_for_the_server_and_for_the_first_campaign(keyed: KeyedServer) -> None:
    """It starts before a keyed server, lives before there are streams, and shows the page after."""
    port = server.free_port()
    dashboard = keyed.serve("dashboard", "--port", str(port))
    try:
        keyed.start()
        assert keyed.status() | {"services": [], "absent": []} == {
            "nats_url": keyed.url, "campaign": "", "human_creds": str(keyed.seed("human")), "last_seq": 0,
            "running": False, "dead_letters": 0, "services": [], "absent": [],
        }  # fmt: skip
        assert dashboard.poll() is None
        asyncio.run(_provision(keyed))
        deadline = time.monotonic() + 60
        while not (vitals := _vitals(port))["absent"] and time.monotonic() < deadline:
            time.sleep(0.2)
        assert f"move37 serve trainer --nats {keyed.url}" in [one["command"] for one in vitals["absent"]]
        assert "dashboard" in [one["role"] for one in vitals["services"]]
        dashboard.send_signal(signal.SIGTERM)
        assert dashboard.wait(20) == 0
    finally:
        dashboard.kill()
        _, errors = dashboard.communicate()
    assert b"waiting for the first campaign" in errors


async def _provision(keyed: KeyedServer) -> None:
    """Create the streams, as the first campaign does."""
    admin = await keyed.connect()
    await admin.provision(all_durables())
    await admin.close()


def _vitals(port: int) -> dict[str, Any]:
    """Return what the dashboard says of the services as soon as it listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/vitals", timeout=60) as reply:
                return json.load(reply)
        except URLError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_drained_service_ends_and_status_tells_that_memory_is_absent(keyed: KeyedServer) -> None:
    """Without memory the log still tells which campaign there is; `running` is true while a role works."""
    keyed.start()
    asyncio.run(_start_campaign(keyed))
    desk = keyed.serve("desk", "--instance", "d1", "--log-level", "warning")
    try:
        deadline = time.monotonic() + 60
        while not (status := keyed.status())["services"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (status["running"], status["campaign"], status["last_seq"]) == (True, "c", 1)
        assert "settled" not in status
        assert {one["role"] for one in status["absent"]} == set(needed_roles()) - {"desk"}
        text = move37("status", env=keyed.environment("reader"), cwd=keyed.home.root)
        assert "absent memory, never seen; hint: move37 serve memory --nats" in text
        printed = move37("drain", "desk/d1", "--json", env=keyed.environment("lab"), cwd=keyed.home.root)
        assert json.loads(printed)["ended"] is True
        assert desk.wait(20) == 0
    finally:
        desk.kill()
        _, errors = desk.communicate()
    assert b"draining" not in errors  # an info line
    assert "no service desk answers" in move37(
        "drain", "desk", code=1, env=keyed.environment("lab"), cwd=keyed.home.root
    )


async def _start_campaign(keyed: KeyedServer) -> None:
    admin = await keyed.connect()
    await admin.provision(all_durables())
    await Bus(admin, "director").publish(Post("campaign", campaign_started()), "c")
    await admin.close()


def test_a_drain_of_an_unknown_role_names_the_nearest(tmp_path: Path) -> None:
    """And without a running lab the error says what to give."""
    assert "did you mean trainer?" in move37("drain", "trainr", "--home", str(tmp_path), code=1)
    assert "--nats" in move37("drain", "trainer", "--home", str(tmp_path), code=1)
