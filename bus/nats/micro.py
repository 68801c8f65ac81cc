"""How services make themselves known: by the protocol of nats.micro, which the stock `nats micro` commands read.

Every service answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, alone (`.<role>.<id>`), with its kind (`.<role>`) and
with all. Its vitals are the `data` of its one endpoint's statistics, and what the endpoint `lab.status.<role>` replies.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md
"""

import asyncio
import contextlib
import json
from importlib import metadata
from typing import Any

import nats.errors
from nats import micro
from nats.aio.client import Client
from nats.micro.request import Request

from bus.delivery.vitals import Vitals

SURVEY_TIMEOUT_S = 0.3
"""A survey ends when nobody has answered for so long."""


async def register_service(client: Client, role: str, instance: str, vitals: Vitals) -> None:
    """Answer for a service from now on."""

    async def status(request: Request) -> None:
        await request.respond(json.dumps(vitals.report()).encode())

    service = await micro.add_service(
        client,
        name=role,
        version=_version(),
        description=f"move37 {role}",
        metadata={"instance": instance},
        stats_handler=lambda _: vitals.report(),
    )
    await service.add_endpoint(name="status", subject=f"lab.status.{role}", handler=status)


async def survey_services(client: Client) -> list[dict[str, Any]]:
    """Return what every service that answers now says of itself, by role and instance."""
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    await client.publish("$SRV.STATS", reply=inbox)
    found = []
    with contextlib.suppress(nats.errors.TimeoutError, asyncio.TimeoutError):
        # An empty reply is the server's word that no service is there.
        while said := (await replies.next_msg(timeout=SURVEY_TIMEOUT_S)).data:
            found += _vitals(json.loads(said))
    await replies.unsubscribe()
    return sorted(found, key=lambda one: (one["role"], one["instance"]))


def _vitals(said: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what one service's statistics say of a role; nothing where it is another project's service."""
    told = (one.get("data") for one in said.get("endpoints") or () if one.get("name") == "status")
    return [
        {"role": said["name"], "instance": said.get("metadata", {}).get("instance", "")} | vitals
        for vitals in told
        if isinstance(vitals, dict)
    ]


def _version() -> str:
    """Return the project's version, as far as it is installed."""
    try:
        return metadata.version("move37")
    except metadata.PackageNotFoundError:
        return "0.0.0"
