"""Records the hash chain of a log in a file, as its messages come, and heals the end of that file.

A crash cuts the last line off: it is removed, and recorded again from the log. If the file's last link is no link, or
is not of the log's message at its position, the file gives way to the log: it is set aside, and its links up to the
last that matches are kept. A link in the middle that does not match stays, since it is evidence: the log was changed
there.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from bus.audit.chain import ROOT, ChainEnd, ChainLink, links_of, read_chain
from bus.audit.set_aside import set_aside
from bus.wire.stored_message import StoredMessage

log = structlog.get_logger("memory")


class ChainRecorder:
    """Appends links to a chain file, and continues after its last whole line, also after a crash."""

    def __init__(self, path: Path) -> None:
        """Open the file, and cut off a last line that is incomplete. Raises OSError."""
        self._path = path
        self._open()

    def _open(self) -> None:
        self._file = self._path.open("a+b")
        end = ChainEnd.of(self._path)
        assert end
        if end.torn_bytes:
            log.warning("the last line of the chain was incomplete and is recorded again", chain=self._path.name)
            self._file.truncate(self._file.seek(0, os.SEEK_END) - end.torn_bytes)
        self._end = end

    @property
    def position(self) -> int:
        """The last position that is recorded."""
        return self._end.position

    def fits(self, stored: StoredMessage | None) -> bool:
        """Tell whether the last link is of the log's message at its position, None if the log ends before it."""
        return self._end.fits(stored)

    def record(self, batch: Iterable[StoredMessage]) -> None:
        """Append the links of the next messages of the log."""
        for link in links_of(batch, self._end.last.digest):
            self._file.write(str(link).encode())
            self._end = ChainEnd(self._end.last, link)
        self._file.flush()

    def restart(self, messages: Sequence[StoredMessage]) -> None:
        """Set the file aside, and begin a new one with its links up to the last that fits the log. Raises OSError."""
        self.close()
        links = list(read_chain(self._path))
        kept = links[: _matching_length(links, messages)]
        aside = set_aside(self._path)
        with self._path.open("w", encoding="ascii") as file:
            file.writelines(map(str, kept))
        first = kept[-1].seq + 1 if kept else 1
        log.error("the chain does not fit the log and is recorded again", first=first, set_aside=aside.name)
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _matching_length(links: Sequence[ChainLink], messages: Sequence[StoredMessage]) -> int:
    """Return how many links there are up to the last one that fits its message."""
    by_position = {stored.seq: stored for stored in messages}  # an archived campaign leaves gaps
    before, length = ROOT, 0
    for number, link in enumerate(links, 1):
        stored = by_position.get(link.seq)
        length = number if stored and link == ChainLink.of(before, stored) else length
        before = link.digest
    return length
