"""A person's own connection to the lab, opened with the key that the person gave to the dashboard.

The lab's server checks the key, and refuses words on any other person's subject. The seed lies in a private file as
long as the connection is open, since it signs again after a lost connection.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.delivery.transport import TransportError
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.security.identity import Identity
from bus.wire import subjects
from dashboard.server.source import KeyRefused

CONNECT_PATIENCE_S = 5.0
"""Seconds that the lab's server may take to accept a key."""


class PersonConnection:
    """Publishes what one person says."""

    def __init__(self, transport: NatsTransport, person: str, seed: Path) -> None:
        """Use an open connection; the key's folder is removed with it. Raises KeyFault."""
        self._transport, self._person, self._folder = transport, person, seed.parent
        self.public_key = keys.public_key(seed)

    async def say(self, campaign: str, message: Mapping[str, Any]) -> str:
        """Publish a message of the person, and return its subject. Raises KeyRefused."""
        subject = subjects.human_inbox(campaign, self._person)
        try:
            await self._transport.publish(subject, json.dumps(message).encode(), f"say-{time.time_ns()}")
        except TransportError as error:
            raise KeyRefused(f"the lab does not take words from this key ({error})") from None
        return subject

    async def close(self) -> None:
        """End the connection, and remove the key."""
        try:
            await self._transport.close()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


async def connect_person(url: str, ca: Path | None, person: str, key: str) -> PersonConnection:
    """Connect with a person's seed; an empty name is the owner's. Raises KeyRefused."""
    folder = Path(tempfile.mkdtemp(prefix="move37-key-"))
    try:
        name = access.PERSON + person if person else access.HUMAN
        seed = keys.seed_path(folder, name)
        keys.write_seed(seed, key)
        keys.read_seed(seed)
        transport = await NatsTransport.connect(
            url, name=f"{name}-dashboard", identity=Identity(name, seed, ca=ca), wait=CONNECT_PATIENCE_S
        )
    except keys.KeyFault:
        shutil.rmtree(folder, ignore_errors=True)
        raise KeyRefused("this is no key; hint: paste the one line of the key's file") from None
    except (TransportError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise KeyRefused(f"the lab's server does not accept this key ({error})") from None
    return PersonConnection(transport, person, seed)
