"""A connection to a NATS server: who we are to it, what it refuses us, and that it stays however often the server goes.

Only the first connecting has an end; a connected client comes back to its server for ever, and whoever waits for an
answer meets one of `AWAY` meanwhile.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any, Self

import nats.errors
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from bus.delivery.transport import PermissionDenied, TransportError
from bus.security.identity import DeniedSubjects, Identity

ANONYMOUS = Identity()
SERVER_AWAY_ERRORS = (
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.OutboundBufferLimitError,
    nats.errors.StaleConnectionError,
    NoStreamResponseError,
    ConnectionError,
)
"""What the client raises while its server is away."""
RECONNECT_OPTIONS: Mapping[str, Any] = {
    "allow_reconnect": True,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "pending_size": 64 << 20,
}
"""Options of a client that waits for its server however long that takes."""


class Connection:
    """A client with its identity and what has been refused it."""

    def __init__(self, url: str, identity: Identity) -> None:
        """Begin unconnected."""
        self.client = Client()
        self.identity = identity
        self.denied = DeniedSubjects()
        self._url = url
        self._tls = url.startswith("tls://")
        self._final: Exception | None = None
        """Why the server will not have us, however often it is asked."""

    @classmethod
    async def open(cls, url: str, *, name: str, identity: Identity, wait: float) -> Self:
        """Connect within `wait` seconds. Raises Denied, TransportError with the address and what to do."""
        connection = cls(url, identity)
        try:
            async with asyncio.timeout(wait) as limit:
                await connection._connect(name, limit)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            await connection.close()
            raise connection._failure(error) from None
        if connection.client.is_closed:
            raise TransportError(f"the NATS server at {url} does not encrypt; give it a certificate")
        return connection

    async def _connect(self, name: str, limit: asyncio.Timeout) -> None:
        """Connect; where the server will never have us, let the time be over at once."""

        async def on_error(error: Exception) -> None:
            """Note what is refused, and keep the client from printing tracebacks while it reconnects."""
            self.denied.add_from(error)
            if not self.client.is_connected and (
                isinstance(error, ssl.SSLCertVerificationError) or _is_authorization_error(error)
            ):
                self._final = error
                limit.reschedule(asyncio.get_running_loop().time())

        await self.client.connect(
            self._url,
            name=name,
            error_cb=on_error,
            reconnected_cb=self._require_tls,
            **RECONNECT_OPTIONS,
            **self.identity.options(tls=self._tls),
        )
        await self._require_tls()

    async def _require_tls(self) -> None:
        """Leave a server that takes a `tls://` address without encrypting: the client itself would go on."""
        if self._tls and not self.client._server_info.get("tls_required"):  # noqa: SLF001  (not told in any other way)
            await self.client.close()

    def _failure(self, error: Exception) -> TransportError:
        """Return why there is no connection."""
        if self._final and _is_authorization_error(self._final):
            return PermissionDenied(
                f"the NATS server at {self._url} refuses this {'key' if self.identity.seed else 'user'}"
            )
        if self._final:
            return TransportError(f"the NATS server at {self._url} is not who tls_ca vouches for: {self._final}")
        reason = str(error) or type(error).__name__
        return TransportError(f"no NATS server answers at {self._url} ({reason}); start one or leave --nats out")

    @property
    def server_id(self) -> str:
        """The server's own id, as its monitoring tells it too."""
        return str(self.client._server_info.get("server_id", ""))  # noqa: SLF001  (not told in any other way)

    def raise_if_denied(self, subject: str) -> None:
        """Raise Denied where the server has refused a subject: what it refuses else looks as if it were away."""
        if self.denied.contains(subject):
            raise PermissionDenied(f"the NATS server does not let {self.identity.role or 'this user'} use {subject}")

    async def close(self) -> None:
        """Close it."""
        with contextlib.suppress(Exception):
            await self.client.close()


def _is_authorization_error(error: Exception) -> bool:
    """Say whether an error is the server's refusal of who we are."""
    return "authorization violation" in str(error).lower()
