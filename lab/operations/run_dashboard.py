"""The dashboard of `move37 run --dashboard`: one more service of the lab, and a browser that opens its page."""

import os
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence

from bus.nats import server
from lab.home import Home
from lab.observability.dashboard_role import DashboardSettings
from lab.runtime.campaign import Services, service_command, service_environment
from lab.runtime.supervisor import Service
from lab.settings import Settings

READY_PATIENCE_S = 60.0
"""Seconds that the page may take until a browser opens it."""


def choose_port(settings: Settings) -> int:
    """Return the port of `[roles.dashboard]`, or a free one if something listens there."""
    port = DashboardSettings.model_validate(settings.roles.get("dashboard", {})).port
    return server.free_port() if port == 0 or server.is_listening(port) else port


def with_dashboard(services: Services, port: int) -> Services:
    """Return what starts these services and a dashboard on loopback."""

    def start(settings: Settings, home: Home) -> Sequence[Service]:
        page = settings.roles.get("dashboard", {}) | {"host": "127.0.0.1", "port": port}
        own = settings.model_copy(update={"roles": settings.roles | {"dashboard": page}})
        environment = service_environment(own, home, "dashboard")
        return [*services(settings, home), Service("dashboard", service_command("dashboard", "1"), environment)]

    return start


def open_when_ready(port: int) -> None:
    """Open the page in the person's browser as soon as it is there, if this machine has a screen."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"):
        return
    threading.Thread(target=_open, args=(port,), daemon=True).start()


def _open(port: int) -> None:
    deadline = time.monotonic() + READY_PATIENCE_S
    while not server.is_listening(port):
        if time.monotonic() > deadline:
            return
        time.sleep(0.2)
    webbrowser.open(f"http://127.0.0.1:{port}/")
