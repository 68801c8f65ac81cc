"""The dashboard's declaration as a role: a web page of a campaign, on which people can speak with their own keys."""

import asyncio
import json
import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog
from pydantic import Field

from bus.delivery.bus import Bus
from bus.delivery.role_spec import RoleSettings, RoleSpec, ServiceContext
from bus.nats.transport import NatsTransport
from bus.wire.subjects import LOG, METRICS

if TYPE_CHECKING:
    from dashboard.server.source import ForkHost

CHECK_TIMEOUT_S = 300.0
"""Seconds that the check of a proposed file may take."""

log = structlog.get_logger()


class DashboardSettings(RoleSettings):
    """`[roles.dashboard]`: where the page is served."""

    host: str = "127.0.0.1"
    """Address to listen on. On any other address than loopback, a browser signs in with a token or a person's key."""
    campaign: str = ""
    """Name or id of the campaign to show; empty for the newest."""
    port: int = Field(default=8037, ge=0, le=65535)
    """Port; 0 for any free one."""
    forks: int = Field(default=1, ge=0, le=8)
    """Forks that people may let run at once from the page, if the lab's home is on this machine; 0 for none."""
    token: str = ""
    """Token that lets a browser look if the address is not loopback; empty for a new one, which the service logs."""


async def serve(context: ServiceContext) -> None:
    """Serve the page until cancelled. Raises LabError if the address can't be used."""
    from dashboard.server import serving
    from dashboard.server.access import LOOPBACK_HOSTS, Access
    from dashboard.server.app import create_app
    from lab.errors import LabError
    from lab.observability.dashboard_feed import DashboardFeed

    settings = DashboardSettings.model_validate(context.settings)
    local = settings.host in LOOPBACK_HOSTS
    token = "" if local else settings.token or secrets.token_urlsafe(16)
    try:
        listener = serving.listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise LabError(f"can't listen on {where} ({error.strerror}); hint: choose another --port") from None
    forks = _forks(context, settings)
    feed = DashboardFeed(context.bus, partial(_sign_in, context.bus), check_source, settings.campaign, forks)
    port = listener.getsockname()[1]
    log.info("serving the dashboard", url=f"http://{settings.host}:{port}/{f'#token={token}' if token else ''}")
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(feed.watch())
        try:
            await serving.serve(create_app(feed, Access(local=local, token=token)), listener, feed.hub)
        finally:
            watching.cancel()


def _forks(context: ServiceContext, settings: DashboardSettings) -> "ForkHost | None":
    """Return where forks run: next to the lab that runs in this home, if its server is ours."""
    from lab.home import Home
    from lab.observability.dashboard_forks import DashboardForks

    home, transport = Home(context.home), context.bus.transport
    note = home.running()
    if not (settings.forks and note and note["embedded"] and isinstance(transport, NatsTransport)):
        return None
    url = transport.client.connected_url
    return DashboardForks(home, settings.forks) if url and url.netloc == urlsplit(note["nats_url"]).netloc else None


async def _sign_in(bus: Bus, person: str, key: str) -> Any:
    """Connect with a person's key to the server that the dashboard uses. Raises KeyRefused."""
    from dashboard.server.source import KeyRefused
    from lab.observability.dashboard_speaker import connect_person

    if not isinstance(bus.transport, NatsTransport) or bus.transport.client.connected_url is None:
        raise KeyRefused("the lab's server is away; try again")
    url = bus.transport.client.connected_url.geturl()
    return await connect_person(url, bus.transport.ca, person, key)


async def check_source(source: str) -> dict[str, Any]:
    """Return what `move37 check --json` prints about a source: it runs in a process and a sandbox of its own."""
    with tempfile.TemporaryDirectory(prefix="move37-check-") as folder:
        file = Path(folder) / "proposal.py"
        file.write_text(source, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lab.cli", "check", str(file), "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                output, errors = await process.communicate()
        except TimeoutError:
            return {"verdict": "timeout", "evidence": f"the check took more than {CHECK_TIMEOUT_S:g} s"}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    try:
        return json.loads(output)
    except ValueError:
        return {"verdict": "error", "evidence": errors.decode(errors="replace").strip()[-500:]}


SPEC = RoleSpec(
    name="dashboard",
    summary="shows the running campaign in a browser, and passes on what people say with their own keys",
    asks=True,
    surveys=True,
    follows=(LOG, METRICS),
    settings=DashboardSettings,
    serve=serve,
)
