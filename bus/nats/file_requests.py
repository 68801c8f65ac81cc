"""Files of services' homes, brought to a reader elsewhere.

A reader asks all services of a role who has a file (`lab.files.<role>`). One that has it offers it under a name of its
own, and puts it into the bucket when asked for that (`lab.files.<role>.<name>`): so a file that several of them have is
put once. Whoever has the file's digest from the log can check what comes.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from bus.delivery.transport import NoAnswer, TransportError
from bus.nats.object_store import bucket_bytes, get_file, put_file
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import Record
from bus.wire import subjects

OFFER_TIMEOUT_S = 5.0
"""How long the services may take to look for a file."""


class FileRequest(Record):
    """A file that somebody wants."""

    name: str
    """Its path, relative to the folder that the role looks in."""
    sha256: str
    """Its digest, in hexadecimal."""


class FileOffer(Record):
    """What a service that has the file says."""

    holder: str
    """Last token of the subject on which it takes the request to put the file into the bucket."""
    size: int
    """Bytes of the file."""


class FilePut(Record):
    """What a service says once it has put a file into the bucket."""

    error: str = ""
    """Why it could not; empty if the file is there."""


Find = Callable[[FileRequest], Path | None]
"""Returns the file that is asked for; None if this host lacks it."""


async def offer_files(client: Client, role: str, find: Find) -> None:
    """Offer a home's files from now on."""
    holder = uuid4().hex

    async def offer(message: Msg) -> None:
        if path := await _found(find, message.data):
            await message.respond(FileOffer(holder=holder, size=path.stat().st_size).model_dump_json().encode())

    async def put(message: Msg) -> None:
        reply = FilePut(error="the file is gone")
        if path := await _found(find, message.data):
            reply = await _put(client, FileRequest.model_validate_json(message.data).name, path)
        await message.respond(reply.model_dump_json().encode())

    await client.subscribe(subjects.file_question(role), cb=offer)
    await client.subscribe(subjects.file_upload(role, holder), cb=put)


async def _found(find: Find, data: bytes) -> Path | None:
    """Return the file that a message asks for; None if there is none, or if the message is no request."""
    try:
        return await asyncio.to_thread(find, FileRequest.model_validate_json(data))
    except (OSError, ValidationError):
        return None


async def _put(client: Client, name: str, path: Path) -> FilePut:
    try:
        await put_file(client, name, path)
    except (OSError, TransportError) as error:
        return FilePut(error=str(error))
    return FilePut()


async def fetch_file(transport: NatsTransport, role: str, request: FileRequest, patience: float) -> bytes:
    """Return a file that a service of a role has, from the bucket if it is there already.

    Waits `patience` seconds for the service to put it there. Raises TransportError, which says why it does not come.
    """
    limit = await bucket_bytes(transport)
    if not limit:
        raise TransportError(f"the server has no bucket {subjects.FILES_BUCKET}, which the next campaign will create")
    if content := await get_file(transport, request.name, request.sha256):
        return content
    offer = await _ask_for_offer(transport, role, request)
    if offer.size > limit:
        raise TransportError(
            f"it has {offer.size >> 20} MiB, and the bucket takes {limit >> 20}; "
            f"hint: set max_bytes in [streams.{subjects.FILES}]"
        )
    payload = request.model_dump_json().encode()
    reply = await transport.request(subjects.file_upload(role, offer.holder), payload, patience)
    if error := FilePut.model_validate_json(reply).error:
        raise TransportError(f"the {role} that has it could not send it ({error})")
    if content := await get_file(transport, request.name, request.sha256):
        return content
    raise TransportError("the bucket dropped it before it was read; hint: try again")


async def _ask_for_offer(transport: NatsTransport, role: str, request: FileRequest) -> FileOffer:
    """Return the first offer. Raises NoAnswer, PermissionDenied."""
    try:
        reply = await transport.request(
            subjects.file_question(role), request.model_dump_json().encode(), OFFER_TIMEOUT_S
        )
    except NoAnswer:
        raise NoAnswer(f"no {role} that is running has it") from None
    return FileOffer.model_validate_json(reply)
