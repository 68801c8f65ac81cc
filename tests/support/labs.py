"""Whole labs for tests: real processes and the durable chain, with instant trainers where training is not the point."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bus.wire.envelope import Envelope
from lab.client.campaign_view import CampaignView
from lab.home import Home
from lab.runtime import campaign
from lab.runtime.supervisor import Service
from lab.settings import LoadedSettings, Settings

ROOT = Path(__file__).parent.parent.parent
Watch = Callable[[CampaignView, Envelope | None], None]


@dataclass(frozen=True)
class Ran:
    """A campaign that ran from the command line."""

    home: Path
    result: dict[str, Any]
    seconds: float

    def move37(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> str:
        """Run a command on this lab's home and return what it printed."""
        return move37(*arguments, "--home", str(self.home), code=code, env=env)


def move37(*arguments: str, code: int | None = 0, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Run the command line and return stdout; with a code other than 0, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        timeout=600,
        check=False,
    )
    assert code is None or done.returncode == code, done.stderr[-3000:]
    return done.stderr if code else done.stdout


def instant(
    settings: Settings,
    home: Home,
    module: str = "tests.support.instant_service",
    swapped: Collection[str] = ("memory", "trainer"),
) -> list[Service]:
    """Return a whole lab whose trainers and embedder answer at once, or as another module has these and others."""
    return [
        replace(service, command=campaign.service_command(*service.command[-2:], module))
        if service.command[-2] in swapped
        else service
        for service in campaign.lab_services(settings, home)
    ]


def tiny(settings: Settings, home: Home) -> list[Service]:
    """Return a whole lab that trains for a few steps."""
    return instant(settings, home, "tests.support.tiny_service")


def run_instant(
    home: Path, watch: Watch = lambda *_: None, services: campaign.Services = instant, **given: Any
) -> campaign.RunOutcome:
    """Run a campaign with instant trainers, or other services, in this process's supervisor."""
    settings = LoadedSettings.load({"home": home, "trainers": 1, **given}).settings
    place = Home(home)
    place.prepare()
    with place.locked():
        return asyncio.run(campaign.run_campaign(settings, place, watch, services))


def kill(home: Path, service: str) -> bool:
    """Send SIGKILL to a service of the lab in `home`; tell whether it was there."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            env = (folder / "environ").read_bytes()
        except OSError:
            continue
        mine = str(home).encode() in env or any(str(home).encode() in word for word in words)
        named = service.encode() in words or any(word.endswith(service.encode()) for word in words[:1])
        if mine and named:
            os.kill(int(folder.name), signal.SIGKILL)
            return True
    return False
