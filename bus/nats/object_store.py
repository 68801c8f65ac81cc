"""The bucket of files: a JetStream object store, in the form that `nats object get LAB_FILES NAME` reads too.

A file is a row of chunks on a subject of its own, and a message under its name that tells their subject, number and
digest. The bucket is a cache: it is bounded in bytes and age and drops its oldest messages, so a file can lack chunks.
Such a file counts as missing. Files are read by direct get, since nobody but the lab may create consumers.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-20.md
"""

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from nats.aio.client import Client
from nats.js.errors import APIError

from bus.delivery.transport import TransportError
from bus.nats.attempts import ATTEMPT_TIMEOUT_S
from bus.nats.connection import SERVER_AWAY_ERRORS
from bus.nats.transport import NatsTransport
from bus.wire import subjects

CHUNK_BYTES = 128 << 10
"""Size of a chunk, as in the clients of NATS."""
DIGEST_PREFIX = "SHA-256="


async def put_file(client: Client, name: str, path: Path) -> None:
    """Put a file into the bucket under a name, in place of an earlier one. Raises OSError, TransportError."""
    key, js = uuid4().hex, client.jetstream(timeout=ATTEMPT_TIMEOUT_S)
    digest, size, chunks = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                await js.publish(subjects.file_chunks(key), chunk)
                digest.update(chunk)
                size, chunks = size + len(chunk), chunks + 1
        description = _describe(name, key, size, chunks, digest.digest())
        await js.publish(subjects.file_description(name), json.dumps(description).encode())
    except (APIError, *SERVER_AWAY_ERRORS) as error:
        raise TransportError(f"can't put {name} into the bucket {subjects.FILES_BUCKET} ({error})") from None


def _describe(name: str, key: str, size: int, chunks: int, digest: bytes) -> dict[str, Any]:
    """Return what the bucket holds under a file's name."""
    return {
        "name": name,
        "bucket": subjects.FILES_BUCKET,
        "nuid": key,
        "size": size,
        "chunks": chunks,
        "digest": DIGEST_PREFIX + base64.urlsafe_b64encode(digest).decode(),
        "mtime": datetime.now(tz=UTC).isoformat(),
        "options": {"max_chunk_size": CHUNK_BYTES},
    }


async def get_file(transport: NatsTransport, name: str, sha256: str) -> bytes | None:
    """Return a file of the bucket; None if it lacks a file of that name and SHA-256 (hexadecimal), or a part of it.

    Raises NoAnswer, PermissionDenied.
    """
    newest = await transport.newest(subjects.FILES, subjects.file_description(name))
    description = json.loads(newest.payload) if newest else {}
    digest = base64.urlsafe_b64decode(str(description.get("digest", "")).removeprefix(DIGEST_PREFIX))
    if digest.hex() != sha256:
        return None
    content, after = bytearray(), 0
    while batch := await transport.read(subjects.FILES, after, subjects.file_chunks(description["nuid"])):
        for chunk in batch:
            content += chunk.payload
        after = batch[-1].seq
    return bytes(content) if hashlib.sha256(content).hexdigest() == sha256 else None


async def bucket_bytes(transport: NatsTransport) -> int:
    """Return how many bytes the bucket holds at most; 0 if there is no bucket. Raises NoAnswer, PermissionDenied."""
    if not await transport.has_stream(subjects.FILES):
        return 0
    info = await transport.client.jetstream(timeout=ATTEMPT_TIMEOUT_S).stream_info(subjects.FILES)
    return info.config.max_bytes or 0
