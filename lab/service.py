"""One service of the lab in its own process: `python -m lab.service ROLE` (what `move37 serve ROLE` runs).

A service connects, works until it is told to stop, and keeps nothing: whatever it was doing comes again to another.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from bus.bus import Bus
from bus.micro import announce
from bus.transport import LogFull, TransportError
from lab import link, logs, roles
from lab.cancelling import end
from lab.errors import LOG_FULL, LabError
from lab.settings import Loaded, Settings

log = structlog.get_logger()


async def serve(role: str, settings: Settings, instance: str) -> None:
    """Serve a role until SIGTERM or SIGINT. Raises LabError, TransportError."""
    if role not in roles.BUILD:
        raise LabError(f"no role {role!r}; the roles are {', '.join(roles.BUILD)}")
    if not settings.nats:
        raise LabError("a service needs a NATS server: give --nats URL, or set MOVE37_NATS or NATS_URL")
    transport = await link.connect(settings, role, settings.nats, name=f"{role}-{instance}")
    try:
        if link.identify(settings, role).nobody:  # with a key of its own it uses what the lab has provisioned
            await transport.provision(replicas=settings.replicas)
        bus = Bus(transport, role, instance)
        await announce(transport.client, role, instance, bus.vitals)
        log.info("serving", nats=link.without_secrets(settings.nats))
        await _until_told(lambda: roles.BUILD[role](bus, settings))
    finally:
        await transport.close()


async def _until_told(body: Callable[[], Awaitable[None]]) -> None:
    """Run a service's body until a signal asks for its end."""
    work, told = asyncio.ensure_future(body()), asyncio.Event()
    telling = asyncio.create_task(told.wait())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        await asyncio.wait([work, telling], return_when=asyncio.FIRST_COMPLETED)
        await end(work)
    finally:
        telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def main() -> None:
    """Serve the role named on the command line with the settings of the environment."""
    role, instance = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1"
    logs.configure(role=role, instance=instance)
    try:
        asyncio.run(serve(role, Loaded.load({}).settings, instance))
    except* (LabError, TransportError) as group:
        first = group.exceptions[0]
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        log.error("service failed", reason=str(first))
        sys.exit(LOG_FULL if isinstance(first, LogFull) else 1)


if __name__ == "__main__":
    main()
