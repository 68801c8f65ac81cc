"""Whole labs for tests: real processes and a real server, with instant trainers unless a test needs training."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nats.js.errors import NotFoundError

from bus.delivery.transport import Durable, Transport
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.wire import subjects
from bus.wire.envelope import Envelope
from bus.wire.ids import derive
from bus.wire.stored_message import StoredMessage
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.roster import agent_names
from lab.runtime import campaign
from lab.runtime.supervisor import Service
from lab.settings import LoadedSettings, Settings

ROOT = Path(__file__).parent.parent.parent
SERVICES = ("memory", *agent_names(), "trainer", "nats-server")
"""Every kind of process of a lab, except the one that supervises the others."""
Watch = Callable[[CampaignView, Envelope | None], None]


@dataclass(frozen=True)
class FinishedLab:
    """A campaign that has run from the command line."""

    home: Path
    result: dict[str, Any]
    seconds: float

    def move37(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        """Run a command on this lab's home and return what it printed."""
        return move37(*arguments, "--home", str(self.home), code=code, env=env)


def move37(*arguments: str, code: int | None = 0, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run the command line and return stdout, or stderr if `code` is not 0; `code` None accepts any exit code."""
    result = subprocess.run(
        [sys.executable, "-m", "lab.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        timeout=600,
        check=False,
    )
    assert code is None or result.returncode == code, result.stderr[-3000:]
    return result.stderr if code else result.stdout


def instant(
    settings: Settings,
    home: Home,
    module: str = "tests.support.instant_service",
    swapped: Collection[str] = ("memory", "trainer"),
) -> list[Service]:
    """Return the services of a lab, with the roles in `swapped` served by another module.

    By default trainers and embedder answer at once.
    """
    return [
        replace(service, command=campaign.service_command(role, instance, module)) if role in swapped else service
        for service in campaign.lab_services(settings, home)
        for role, instance in (service.command[-2:],)
    ]


def tiny(settings: Settings, home: Home) -> list[Service]:
    """Return the services of a lab that trains for a few steps."""
    return instant(settings, home, "tests.support.tiny_service")


def run_instant(
    home: Path, watch: Watch = lambda *_: None, services: campaign.Services = instant, **options: Any
) -> campaign.RunOutcome:
    """Run a campaign with instant trainers, or other services, in this process's supervisor."""
    settings = LoadedSettings.load({"home": home, "trainers": 1, **options}).settings
    lab_home = Home(home)
    lab_home.prepare()
    with lab_home.locked():
        return asyncio.run(campaign.run_campaign(settings, lab_home, watch, services))


def processes_of(home: Path) -> dict[int, list[bytes]]:
    """Return the arguments, by process id, of every other process that names a home in its arguments or environment."""
    processes: dict[int, list[bytes]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue  # the process has ended, or is another user's
        if str(home).encode() in command + environment and int(folder.name) != os.getpid():
            processes[int(folder.name)] = command.split(b"\0")
    return processes


def kill(home: Path, service: str) -> bool:
    """Send SIGKILL to a service of the lab in `home`; return False if it does not run."""
    name = service.encode()
    for pid, arguments in processes_of(home).items():
        if name in arguments or arguments[0].endswith(name):
            os.kill(pid, signal.SIGKILL)
            return True
    return False


async def publish_as_admin(home: Path, messages: Mapping[str, bytes]) -> None:
    """Publish payloads, by their subject, to the lab that runs in `home`: the admin's key may publish anything."""
    lab = Home(home).running()
    assert lab, f"no lab runs in {home}"
    identity = Identity(access.ADMIN, keys.seed_path(Home(home).keys, access.ADMIN))
    transport = await NatsTransport.connect(lab["nats_url"], name="test", identity=identity)
    for subject, payload in messages.items():
        await transport.publish(subject, payload, derive(subject, payload.hex()))
    await transport.close()


async def delete_consumers(home: Path, durables: Iterable[Durable]) -> None:
    """Delete consumers of the lab that runs in `home`, as `nats consumer rm` does."""
    lab = Home(home).running()
    assert lab, f"no lab runs in {home}"
    identity = Identity(access.ADMIN, keys.seed_path(Home(home).keys, access.ADMIN))
    transport = await NatsTransport.connect(lab["nats_url"], name="test", identity=identity)
    for durable in durables:
        with contextlib.suppress(NotFoundError):
            await transport.client.jetstream().delete_consumer(durable.stream, durable.name)
    await transport.close()


async def stored_messages(transport: Transport, stream: str = subjects.LOG) -> list[StoredMessage]:
    """Return every message of a stream, oldest first."""
    end = await transport.last_seq(stream)
    messages: list[StoredMessage] = []
    if end:
        async for batch in transport.follow(stream, 0):
            messages += batch
            if messages[-1].seq >= end:
                break
    return messages
