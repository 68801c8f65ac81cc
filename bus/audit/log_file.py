"""A log as a file: one CloudEvent a line, byte for byte as the stream holds it.

A message with a line break is written as `{"raw_hex": "..."}`, and a position without a message as an empty line: line
numbers stay positions. Positions are without a message where a campaign was archived, or in its archive where
another campaign's messages are. A file whose name ends in `.gz` is compressed with gzip.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, cast

from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored_message import StoredMessage

COMPRESSED = ".gz"
"""Suffix of a compressed file."""
RAW_PREFIX = b'{"raw_hex":"'
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file raises that is missing or, if it is compressed, damaged."""


def write_log(path: Path, messages: Iterable[StoredMessage]) -> int:
    """Write messages as JSON lines, each at the line of its position, and return how many.

    An existing file is replaced only by a complete one. One log gives one file, compressed or not.
    """
    temporary = path.with_name(path.name + ".part")
    count = position = 0
    with temporary.open("wb") as plain, _compressing(path, plain) as file:
        for message in messages:
            file.write(b"\n" * (message.seq - position - 1) + _line(message.payload) + b"\n")
            count, position = count + 1, message.seq
    temporary.replace(path)
    return count


def _compressing(path: Path, file: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    """Return what to write to, for a file of this name; no time enters it."""
    if path.suffix != COMPRESSED:
        return nullcontext(file)
    return cast("AbstractContextManager[IO[bytes]]", gzip.GzipFile("", "wb", fileobj=file, mtime=0))


def read_payloads(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a file as the stream held them, each with its position.

    Raises one of UNREADABLE.
    """
    with gzip.open(path) if path.suffix == COMPRESSED else path.open("rb") as file:
        for position, line in enumerate(file, 1):
            if content := line.rstrip(b"\n"):
                yield position, _payload(content)


def read_log(path: Path, unreadable: Callable[[str], None] | None = None) -> Iterator[Envelope]:
    """Yield the envelopes of a file; positions are line numbers.

    A line without an event is skipped and reported to `unreadable`. Without `unreadable`, it raises MalformedMessage.
    Both name the line.
    """
    for number, payload in read_payloads(path):
        try:
            yield decode(payload, number)
        except MalformedMessage as error:
            reason = f"{path}, line {number}: {error}"
            if unreadable is None:
                raise MalformedMessage(reason) from None
            unreadable(reason)


def _line(payload: bytes) -> bytes:
    """Return a message as one line."""
    if payload and b"\n" not in payload and not payload.startswith(RAW_PREFIX):
        return payload
    return RAW_PREFIX + payload.hex().encode() + b'"}'


def _payload(line: bytes) -> bytes:
    """Return the message in a line."""
    if not line.startswith(RAW_PREFIX):
        return line
    try:
        return bytes.fromhex(json.loads(line)["raw_hex"])
    except (ValueError, KeyError, TypeError):
        return line
