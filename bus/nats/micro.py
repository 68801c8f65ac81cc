"""Service discovery with the protocol of nats.micro, which the `nats micro` commands understand.

Every service answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`: for all services, for those of its role (`.<role>`) and
for itself (`.<role>.<id>`). Its one endpoint, `lab.status.<role>`, replies with its vitals, and has them as the `data`
of its statistics.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

import asyncio
import contextlib
import json
import os
from importlib import metadata
from typing import Any

import nats.errors
from nats import micro
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.micro.request import Request

from bus.delivery.bus import Bus
from bus.delivery.vitals import Vitals
from bus.wire import subjects

SURVEY_TIMEOUT_S = 0.3
"""A survey ends when no service has answered for this time."""
DRAIN_TIMEOUT_S = 1.0
STATUS_ENDPOINT = "status"


async def register_service(client: Client, role: str, instance: str, vitals: Vitals) -> None:
    """Answer discovery requests for a service from now on."""

    async def status(request: Request) -> None:
        await request.respond(json.dumps(vitals.report()).encode())

    service = await micro.add_service(
        client,
        name=role,
        version=_version(),
        description=f"move37 {role}",
        metadata={"instance": instance, "host": os.uname().nodename},
        stats_handler=lambda _: vitals.report(),
    )
    await service.add_endpoint(name=STATUS_ENDPOINT, subject=f"lab.status.{role}", handler=status)


async def accept_drain(client: Client, bus: Bus, instance: str) -> None:
    """Drain when asked to, by the name of the instance or without a name for all of the role."""

    async def drain(message: Msg) -> None:
        if message.data.decode("utf-8", "replace") in {"", instance}:
            bus.drain()
            reply = {"role": bus.role, "instance": instance, "in_flight": bus.vitals.in_flight}
            await message.respond(json.dumps(reply).encode())

    await client.subscribe(subjects.drain(bus.role), cb=drain)


async def request_drain(client: Client, role: str, instance: str = "") -> list[dict[str, Any]]:
    """Ask a role's services to drain, one or all; return the role, instance and work in flight of each that does."""
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    await client.publish(subjects.drain(role), instance.encode(), reply=inbox)
    draining: list[dict[str, Any]] = []
    with contextlib.suppress(nats.errors.TimeoutError, asyncio.TimeoutError):
        while reply := (await replies.next_msg(timeout=DRAIN_TIMEOUT_S)).data:
            draining.append(json.loads(reply))
    await replies.unsubscribe()
    return draining


async def survey_services(client: Client, timeout: float = SURVEY_TIMEOUT_S) -> list[dict[str, Any]]:
    """Return the vitals of every service that answers, sorted by role and instance.

    The survey ends when nobody has answered for `timeout` seconds.
    """
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    await client.publish("$SRV.STATS", reply=inbox)
    services = []
    with contextlib.suppress(nats.errors.TimeoutError, asyncio.TimeoutError):
        # The server sends an empty reply if there is no service.
        while statistics := (await replies.next_msg(timeout=timeout)).data:
            services += _read_vitals(json.loads(statistics))
    await replies.unsubscribe()
    return sorted(services, key=lambda service: (service["role"], service["instance"]))


def _read_vitals(statistics: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the vitals in one service's statistics; none if the service is not one of the lab's."""
    endpoints = statistics.get("endpoints") or ()
    status_data = (endpoint.get("data") for endpoint in endpoints if endpoint.get("name") == STATUS_ENDPOINT)
    facts = statistics.get("metadata", {})
    service = {
        "role": statistics.get("name", ""),
        "instance": facts.get("instance", ""),
        "host": facts.get("host", ""),
        "version": statistics.get("version", ""),
    }
    return [service | vitals for vitals in status_data if isinstance(vitals, dict)]


def _version() -> str:
    """Return the version of the installed project, or 0.0.0 if it is not installed."""
    try:
        return metadata.version("move37")
    except metadata.PackageNotFoundError:
        return "0.0.0"
