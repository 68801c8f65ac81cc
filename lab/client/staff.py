"""Which services answer, and which role that a campaign needs has none: since when, and the command that starts one."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bus.delivery.transport import TransportError
from bus.nats.micro import survey_services
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import LossPoint
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from lab.client.connection import redact_url
from lab.roster import needed_roles, role_spec

SECOND_SURVEY_TIMEOUT_S = 1.0
"""A service on a busy machine may answer late: if a needed role is missing, all are asked again, with more time."""


@dataclass(frozen=True, slots=True)
class AbsentRole:
    """A needed role without a service."""

    role: str
    since: datetime | None
    """When it was last heard of: when it answered, or published; None if it never has."""
    command: str
    """Starts one."""

    def as_json(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return {"role": self.role, "since": self.since and self.since.isoformat(), "command": self.command}


@dataclass(frozen=True, slots=True)
class RollCall:
    """The staff of a lab at one moment."""

    services: Sequence[dict[str, Any]]
    """Vitals of each service that answers, sorted by role and instance."""
    absent: Sequence[AbsentRole]
    time: datetime

    @property
    def working(self) -> bool:
        """True if any needed role has a service."""
        return len(self.absent) < len(needed_roles())


class Staff:
    """Calls the roll; whoever calls it again and again learns when a role was heard of last."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._heard: dict[str, datetime] = {}

    async def call(self, transport: NatsTransport) -> RollCall:
        """Return the services that answer now, and the needed roles that have none. Raises TransportError."""
        services = await survey_services(transport.client)
        if _missing(services):
            services = await survey_services(transport.client, SECOND_SURVEY_TIMEOUT_S)
        now = datetime.now(UTC)
        self._heard |= {str(service["role"]): now for service in services}
        url = transport.client.connected_url
        server = redact_url(url.geturl()) if url else "URL"
        absent = [
            AbsentRole(role, await self._last_heard(transport, role), f"move37 serve {role} --nats {server}")
            for role in _missing(services)
        ]
        return RollCall(services, absent, now)

    async def _last_heard(self, transport: NatsTransport, role: str) -> datetime | None:
        """Return when a role was last heard of: at an earlier roll call, or by its newest event."""
        newest = await newest_event(transport, role)
        times = (self._heard.get(role), newest.time if newest else None)
        return max((time for time in times if time), default=None)


def _missing(services: Sequence[dict[str, Any]]) -> list[str]:
    present = {service["role"] for service in services}
    return [role for role in needed_roles() if role not in present]


async def newest_event(transport: NatsTransport, role: str) -> Envelope | None:
    """Return the newest event of the log that a role published; None without one.

    Of a type that several roles publish only the newest event is looked at, whoever published it.
    """
    events: list[Envelope] = []
    for kind in role_spec(role).publishes:
        if kind is LossPoint:
            continue
        with suppress(MalformedMessage, TransportError):
            if stored := await transport.newest(subjects.LOG, subjects.event_filter(kind)):
                events.append(subjects.decode_event(stored))
    own = [event for event in events if event.role == role]
    return max(own, key=lambda event: event.seq, default=None)
