"""One service of the lab in its own process: `python -m lab.runtime.service ROLE`, which `move37 serve ROLE` runs too.

A service connects, works until a signal stops it, and keeps nothing: unfinished work is delivered to another process.
"""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bus.delivery.bus import Bus
from bus.delivery.role_spec import RoleSpec
from bus.delivery.transport import LogFull, TransportError
from bus.nats.micro import register_service
from lab import endings
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection
from lab.errors import EXIT_LOG_FULL, LabError
from lab.home import Home
from lab.observability import logs
from lab.roster import role_spec
from lab.runtime.roles import serve_role
from lab.settings import LoadedSettings, Settings
from memory.faults import MemoryFault

GC_THRESHOLD = 20_000
"""Live new objects that start a garbage collection. Python's default of 700 collects several times within one syntax
tree, whose objects are freed without it."""

log = structlog.get_logger()


async def serve(spec: RoleSpec, settings: Settings, instance: str) -> None:
    """Serve a role until SIGTERM or SIGINT, or until the lab in the home stops. Raises LabError, TransportError."""
    url, seeds = _server(settings)
    name = f"{spec.name}-{instance}"
    transport = await connection.connect(settings, spec.name, url, name=name, seeds=seeds)
    try:
        if connection.identify(settings, spec.name, seeds).anonymous:  # a key of its own finds everything provisioned
            await transport.provision(replicas=settings.replicas)
        bus = Bus(transport, spec.name, instance)
        await register_service(transport.client, spec.name, instance, bus.vitals)
        log.info("serving", nats=connection.redact_url(url))
        await _until_stopped(lambda: serve_role(spec, bus, settings), None if settings.nats else Home(settings.home))
    finally:
        await transport.close()


def _server(settings: Settings) -> tuple[str, Path | None]:
    """Return the server that is named, or that of the lab running in the home with its keys. Raises LabError."""
    if settings.nats:
        return settings.nats, None
    home = Home(settings.home)
    if note := home.running():
        return note["nats_url"], home.keys if note["embedded"] else None
    raise LabError(
        f"a service needs a NATS server, and no lab is running in {home.root}: give --nats URL, or set MOVE37_NATS "
        "or NATS_URL"
    )


async def _until_stopped(body: Callable[[], Awaitable[None]], home: Home | None) -> None:
    """Run a service's body until a signal asks for its end, or the lab of a home has stopped."""
    work, stop, loop = asyncio.ensure_future(body()), asyncio.Event(), asyncio.get_running_loop()
    ends = [asyncio.create_task(stop.wait()), *([asyncio.create_task(_lab_stopped(home))] if home else [])]
    with endings.listening(lambda: loop.call_soon_threadsafe(stop.set)):
        try:
            await asyncio.wait([work, *ends], return_when=asyncio.FIRST_COMPLETED)
            await cancel_and_wait(work)
        finally:
            for task in ends:
                task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _lab_stopped(home: Home) -> None:
    """Return when the lab of a home has stopped."""
    while home.running():
        await asyncio.sleep(1.0)
    log.info("the lab has stopped")


def main(find_spec: Callable[[str], RoleSpec] = role_spec) -> None:
    """Serve the role named on the command line with the settings of the environment.

    `find_spec` finds a role's declaration by its name; benchmarks and tests put others in place of some.
    """
    role, instance = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1"
    logs.configure(role=role, instance=instance)
    gc.set_threshold(GC_THRESHOLD)
    try:
        asyncio.run(serve(find_spec(role), LoadedSettings.load({}).settings, instance))
    except* (LabError, TransportError, MemoryFault) as group:
        first = group.exceptions[0]
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        log.error("service failed", reason=str(first))
        sys.exit(EXIT_LOG_FULL if isinstance(first, LogFull) else 1)


if __name__ == "__main__":
    main()
