"""One service of the lab in its own process: `python -m lab.runtime.service ROLE`, which `move37 serve ROLE` runs too.

A service connects, works until a signal stops it, and keeps nothing: unfinished work is delivered to another process.
"""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from bus.delivery.bus import Bus
from bus.delivery.role_spec import RoleSpec
from bus.delivery.transport import LogFull, NoAnswer, TransportError
from bus.nats.file_requests import offer_files
from bus.nats.micro import accept_drain, register_service
from bus.nats.transport import NatsTransport
from lab import endings
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection
from lab.errors import EXIT_LOG_FULL, LabError
from lab.home import Home
from lab.observability import logs
from lab.observability.host_facts import HostFacts
from lab.roster import role_spec
from lab.runtime import health
from lab.runtime.roles import serve_role
from lab.settings import LoadedSettings, Settings
from memory.faults import MemoryFault

GC_THRESHOLD = 20_000
"""Live new objects that start a garbage collection. Python's default of 700 collects several times within one syntax
tree, whose objects are freed without it."""

STREAM_INTERVAL_S = 1.0
"""Seconds between two looks for a stream that the first campaign will create."""

log = structlog.get_logger()


async def serve(spec: RoleSpec, settings: Settings, instance: str) -> None:
    """Serve a role until SIGTERM or SIGINT, until it has drained, or until the lab in the home stops.

    Waits for the server, and for the first campaign. Raises LabError, TransportError.
    """
    url, seeds = _server(settings)
    home = None if settings.nats else Home(settings.home)
    await _until_stopped(lambda: _serve(spec, settings, instance, url, seeds), home)


async def _serve(spec: RoleSpec, settings: Settings, instance: str, url: str, seeds: Path | None) -> None:
    """Serve a role until cancelled or drained."""
    ready = asyncio.Event()
    async with health.answering(settings.health_port, ready.is_set):
        await _serve_connected(spec, settings, instance, url, seeds, ready)


async def _serve_connected(
    spec: RoleSpec, settings: Settings, instance: str, url: str, seeds: Path | None, ready: asyncio.Event
) -> None:
    """Connect, and serve a role until cancelled or drained; `ready` is set once it takes work."""
    transport = await _connect(spec, settings, instance, url, seeds)
    try:
        if connection.identify(settings, spec.name, seeds).anonymous:  # a key of its own finds everything provisioned
            await transport.provision(replicas=settings.replicas)
        await _wait_for_streams(transport, spec)
        bus = Bus(transport, spec.name, instance)
        bus.vitals.facts = HostFacts(settings.home).report
        await register_service(transport.client, spec.name, instance, bus.vitals)
        await accept_drain(transport.client, bus, instance)
        await _offer_files(transport, spec, settings.home)
        ready.set()
        log.info("serving", nats=connection.redact_url(url))
        await _until_drained(serve_role(spec, bus, settings), bus, has_work=spec.durable is not None)
    finally:
        await transport.close()


async def _offer_files(transport: NatsTransport, spec: RoleSpec, home: Path) -> None:
    """Offer the files of this home that a role's readers may ask for."""
    if find := spec.finds_file:
        await offer_files(transport.client, spec.name, lambda request: find(home, request.name, request.sha256))


async def _connect(spec: RoleSpec, settings: Settings, instance: str, url: str, seeds: Path | None) -> NatsTransport:
    """Connect, however long the server takes to come. Raises LabError, TransportError for a refusal."""
    name = f"{spec.name}-{instance}"
    while True:
        try:
            return await connection.connect(settings, spec.name, url, name=name, seeds=seeds)
        except NoAnswer as error:
            log.warning("waiting for the server", reason=str(error))


async def _wait_for_streams(transport: NatsTransport, spec: RoleSpec) -> None:
    """Wait until the streams that a role follows exist: the first campaign creates them."""
    for stream in spec.follows:
        waited = False
        while not await _exists(transport, stream):
            if not waited:
                log.info("waiting for the first campaign", stream=stream)
            waited = True
            await asyncio.sleep(STREAM_INTERVAL_S)


async def _exists(transport: NatsTransport, stream: str) -> bool:
    """Return whether a stream exists; False while the server is away."""
    try:
        return await transport.has_stream(stream)
    except NoAnswer:
        return False


async def _until_drained(body: Coroutine[Any, Any, None], bus: Bus, *, has_work: bool) -> None:
    """Run a role until it ends; after a drain, one with work in hand ends by itself, and any other is ended."""
    work, drained = asyncio.ensure_future(body), asyncio.create_task(bus.draining.wait())
    try:
        await asyncio.wait([work, drained], return_when=asyncio.FIRST_COMPLETED)
        if bus.draining.is_set():
            log.info("draining", in_flight=bus.vitals.in_flight)
        if has_work:
            await asyncio.wait([work])
    finally:
        drained.cancel()
        await cancel_and_wait(work)
    with contextlib.suppress(asyncio.CancelledError):
        work.result()


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
    logs.configure(role=role, instance=instance)  # for an error in the settings
    gc.set_threshold(GC_THRESHOLD)
    try:
        settings = LoadedSettings.load({}).settings
        logs.configure(settings.log_level, role=role, instance=instance)
        asyncio.run(serve(find_spec(role), settings, instance))
    except* (LabError, TransportError, MemoryFault) as group:
        first = group.exceptions[0]
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        log.error("service failed", reason=str(first))
        sys.exit(EXIT_LOG_FULL if isinstance(first, LogFull) else 1)


if __name__ == "__main__":
    main()
