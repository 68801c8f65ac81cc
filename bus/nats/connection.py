"""A connection to a NATS server: it connects with an identity, reconnects for ever, and knows the denied subjects.

Only the first connection attempt has a time limit. A connected client reconnects to its server however long that takes;
meanwhile a request raises one of `SERVER_AWAY_ERRORS`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any, Self

import nats.errors
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError

from bus.delivery.transport import NoAnswer, PermissionDenied, TransportError
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
CLOSE_TIMEOUT_S = 2.0
RECONNECT_OPTIONS: Mapping[str, Any] = {
    "allow_reconnect": True,
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "pending_size": 64 << 20,
}
"""Options of a client that reconnects for ever."""


class Connection:
    """A client with its identity and the subjects that it is denied."""

    def __init__(self, url: str, identity: Identity) -> None:
        """Prepare a client; `open` connects it."""
        self.client = Client()
        self.identity = identity
        self.denied = DeniedSubjects()
        self._url = url
        self._tls = url.startswith("tls://")
        self._fatal_error: Exception | None = None
        """The error that no further attempt can avoid: the server's certificate or its refusal of the identity."""

    @classmethod
    async def open(cls, url: str, *, name: str, identity: Identity, wait: float) -> Self:
        """Connect within `wait` seconds. Raises PermissionDenied, TransportError with the address and what to do."""
        connection = cls(url, identity)
        try:
            async with asyncio.timeout(wait) as limit:
                await connection._connect(name, limit)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            await connection.close()
            raise connection._failure(error) from None
        if connection.client.is_closed:
            raise TransportError(f"the NATS server at {url} does not encrypt; hint: give it a certificate")
        return connection

    async def _connect(self, name: str, limit: asyncio.Timeout) -> None:
        """Connect; a fatal error ends the time limit at once."""

        async def on_error(error: Exception) -> None:
            """Note denied subjects and fatal errors; without a callback, the client would print tracebacks."""
            self.denied.add_from(error)
            if not self.client.is_connected and _is_fatal(error):
                self._fatal_error = error
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
        """Close a `tls://` connection to a server that does not encrypt; the client itself would use it."""
        if self._tls and not self.client._server_info.get("tls_required"):  # noqa: SLF001  (there is no public way)
            await self.client.close()

    def _failure(self, error: Exception) -> TransportError:
        """Return an error that says why there is no connection."""
        if self._fatal_error and _is_authorization_error(self._fatal_error):
            credentials = "key" if self.identity.seed else "user"
            return PermissionDenied(f"the NATS server at {self._url} refuses this {credentials}")
        if self._fatal_error:
            return TransportError(f"tls_ca does not vouch for the NATS server at {self._url} ({self._fatal_error})")
        reason = str(error) or type(error).__name__
        return NoAnswer(f"no NATS server answers at {self._url} ({reason}); hint: start one, or omit --nats")

    @property
    def server_id(self) -> str:
        """The server's own id, which its monitoring endpoint shows too."""
        return str(self.client._server_info.get("server_id", ""))  # noqa: SLF001  (there is no public way)

    def raise_if_denied(self, subject: str) -> None:
        """Raise PermissionDenied if the server denied a subject; otherwise that looks as if the server were away."""
        if self.denied.contains(subject):
            raise PermissionDenied(f"the NATS server denies {self.identity.role or 'this user'} the subject {subject}")

    async def close(self) -> None:
        """Close the connection; errors are ignored, and so is a server that doesn't take what is still to be sent."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.client.close()


def _is_fatal(error: Exception) -> bool:
    """Return True if every further attempt to connect will fail in the same way."""
    return isinstance(error, ssl.SSLCertVerificationError) or _is_authorization_error(error)


def _is_authorization_error(error: Exception) -> bool:
    """Return True if the server refused the identity."""
    return "authorization violation" in str(error).lower()
