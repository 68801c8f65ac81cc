"""Whole labs for tests: real processes and a real server, with instant trainers unless a test needs training."""

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
    """Return the services of a lab, with the roles in `swapped` served by another module.

    By default trainers and embedder answer at once.
    """
    return [
        replace(service, command=campaign.service_command(*service.command[-2:], module))
        if service.command[-2] in swapped
        else service
        for service in campaign.lab_services(settings, home)
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


def kill(home: Path, service: str) -> bool:
    """Send SIGKILL to a service of the lab in `home`; return False if it does not run."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            env = (folder / "environ").read_bytes()
        except OSError:
            continue
        of_lab = str(home).encode() in env or any(str(home).encode() in argument for argument in arguments)
        of_service = service.encode() in arguments or arguments[0].endswith(service.encode())
        if of_lab and of_service:
            os.kill(int(folder.name), signal.SIGKILL)
            return True
    return False
