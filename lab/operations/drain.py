"""Draining: a service takes no new work, finishes what it has in hand, and ends (`move37 drain`)."""

import asyncio
import sys
from collections.abc import Collection
from typing import Any

from bus.nats.micro import request_drain, survey_services
from bus.nats.transport import NatsTransport
from bus.security import access
from lab.client.session import open_lab
from lab.errors import LabError
from lab.home import Home
from lab.nearest_name import hint_of
from lab.roster import role_names
from lab.settings import Settings

SURVEY_INTERVAL_S = 0.5


async def drain(settings: Settings, service: str, timeout: float) -> list[dict[str, Any]]:
    """Drain `role` or `role/instance` and return each service with whether it has ended within `timeout` seconds.

    Raises LabError if there is no such service.
    """
    role, _, instance = service.partition("/")
    if role not in role_names():
        raise LabError(f"unknown role {role!r}; {hint_of(role, role_names(), ', '.join(role_names()))}")
    if not settings.nats and not Home(settings.home).running():
        raise LabError(f"no lab is running in {settings.home}; hint: give --nats URL for services that run elsewhere")
    async with open_lab(settings, access.ADMIN) as client:
        transport = client.bus.transport
        assert isinstance(transport, NatsTransport)
        draining = await request_drain(transport.client, role, instance)
        if not draining:
            raise LabError(f"no service {service} answers; hint: move37 status lists the services")
        for one in draining:
            print(f"{role}/{one['instance']} drains, {one['in_flight']} in hand", file=sys.stderr)
        left = await _wait_for_end(transport, role, {one["instance"] for one in draining}, timeout)
    return [{**one, "ended": one["instance"] not in left} for one in draining]


async def _wait_for_end(transport: NatsTransport, role: str, instances: Collection[str], timeout: float) -> set[str]:
    """Wait until none of these services drains any more, and return those that still do after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    deadline, left = loop.time() + timeout, set(instances)
    while left and loop.time() < deadline:
        await asyncio.sleep(SURVEY_INTERVAL_S)
        services = await survey_services(transport.client)
        left &= {one["instance"] for one in services if one["role"] == role and one["draining"]}
    return left
