"""A log as a file: one CloudEvent a line, byte for byte what the stream holds."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from bus.envelope import Envelope, Malformed, decode
from bus.transport import Stored


def write(path: Path, messages: Iterable[Stored]) -> int:
    """Write messages as JSON lines and return how many; an existing file is replaced only by a whole one."""
    temporary = path.with_name(path.name + ".part")
    count = 0
    with temporary.open("wb") as file:
        for message in messages:
            file.write(message.payload + b"\n")
            count += 1
    temporary.replace(path)
    return count


def read(path: Path) -> Iterator[Envelope]:
    """Yield the envelopes of a file; positions are line numbers. Raises Malformed with the line."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield decode(line.rstrip(b"\n"), number)
            except Malformed as error:
                raise Malformed(f"{path}, line {number}: {error}") from None
