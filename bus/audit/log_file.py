"""A log as a file: one CloudEvent a line, byte for byte what the stream holds.

Somebody may have published bytes that are no single line. They are kept as `{"raw_hex": "..."}`, so that a line is a
position, and whoever reads the file is told.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bus.wire.envelope import Envelope, MalformedMessage, decode
from bus.wire.stored import Stored

RAW_PREFIX = b'{"raw_hex":"'


def write_log(path: Path, messages: Iterable[Stored]) -> int:
    """Write messages as JSON lines and return how many; an existing file is replaced only by a whole one."""
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("wb") as file:
        for message in messages:
            file.write(_line(message.payload) + b"\n")
            count += 1
    temporary.replace(path)
    return count


def read_payloads(path: Path) -> Iterator[bytes]:
    """Yield the messages of a file, as the stream held them."""
    with path.open("rb") as file:
        for line in file:
            yield _payload(line.rstrip(b"\n"))


def read_log(path: Path, unreadable: Callable[[str], None] | None = None) -> Iterator[Envelope]:
    """Yield the envelopes of a file; positions are line numbers.

    A line that holds no event is told to `unreadable` and left out, as every role left it out; without `unreadable` it
    raises Malformed. Both name the line.
    """
    for number, payload in enumerate(read_payloads(path), 1):
        try:
            yield decode(payload, number)
        except MalformedMessage as error:
            if unreadable is None:
                raise MalformedMessage(f"{path}, line {number}: {error}") from None
            unreadable(f"{path}, line {number}: {error}")


def _line(payload: bytes) -> bytes:
    """Return a message as one line."""
    if b"\n" not in payload and not payload.startswith(RAW_PREFIX):
        return payload
    return RAW_PREFIX + payload.hex().encode() + b'"}'


def _payload(line: bytes) -> bytes:
    """Return the message that a line holds."""
    if not line.startswith(RAW_PREFIX):
        return line
    try:
        return bytes.fromhex(json.loads(line)["raw_hex"])
    except (ValueError, KeyError, TypeError):
        return line
