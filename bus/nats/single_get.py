"""One message of a stream for each request: the newest on a subject, or the next after a position.

A direct get answers with the stored payload itself. The server does not check where a request wants its reply, so
whoever may ask could have a payload of their own stored on any subject. So a role that writes to the log reads it by
`next_message`, whose reply wraps the payload in JSON of the server, which is no event anywhere.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
"""

import json

from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from bus.delivery.transport import NoAnswer
from bus.nats.attempts import ATTEMPT_TIMEOUT_S, attempts
from bus.nats.connection import SERVER_AWAY_ERRORS, Connection
from bus.security.access import direct_get, wrapped_get
from bus.wire.stored_message import StoredMessage


async def newest_message(connection: Connection, stream: str, subject: str) -> StoredMessage | None:
    """Return the newest message on a subject, which may have wildcards; None without one. Raises NoAnswer."""
    body = json.dumps({"last_by_subj": subject}).encode()
    try:
        message = await connection.client.request(direct_get(stream), body, timeout=ATTEMPT_TIMEOUT_S)
    except SERVER_AWAY_ERRORS as error:
        connection.raise_if_denied(direct_get(stream))
        raise NoAnswer(f"can't read stream {stream} ({type(error).__name__})") from None
    headers = message.headers or {}
    if headers.get("Status"):
        return None
    return StoredMessage(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data)


async def next_message(
    connection: Connection, stream: str, after: int, subject: str, patience: float
) -> StoredMessage | None:
    """Return the first message on a subject after a position, or None; retry for `patience` seconds.

    Raises NoAnswer, PermissionDenied.
    """
    streams = JetStreamContext(connection.client, timeout=ATTEMPT_TIMEOUT_S)
    async for _ in attempts(patience):
        try:
            message = await streams.get_msg(stream, seq=after + 1, subject=subject, next=True)
        except NotFoundError:
            return None
        except (APIError, *SERVER_AWAY_ERRORS):
            connection.raise_if_denied(wrapped_get(stream))
        else:
            assert message.seq is not None
            assert message.subject is not None
            return StoredMessage(message.seq, message.subject, message.data or b"")
    raise NoAnswer(f"can't read stream {stream}: the NATS server did not answer within {patience:g} s")
