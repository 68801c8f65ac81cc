"""A hash chain over the log: the SHA-256 at each position covers its message and the hash before it.

Memory's process reads every message, and records each link in a file (`bus.audit.recorder`). An export writes the links
to a file next to the log. Verification computes each link from its message and the *recorded* hash before it. So the
first position that differs is the one that changed.

An intact chain proves that the log is what it was when it was first read. Anyone who can rewrite both log and chain can
forge both. To detect that, keep the last hash elsewhere: `move37 events --verify` prints it.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bus.wire.stored_message import StoredMessage
from bus.wire.subjects import campaign_of

MAX_DIGITS = 20
"""A position has fewer digits."""
MAX_LINE_BYTES = 16_384
"""A line is never longer: a subject has at most 4096 bytes."""
ROOT = "0" * 64
"""The hash before the first message."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The hash of the log up to one position."""

    seq: int
    subject: str
    digest: str

    @classmethod
    def of(cls, before: str, stored: StoredMessage) -> Self:
        """Return the link of a message that follows the hash `before`."""
        head = f"{before} {stored.seq} {stored.subject}\n".encode()
        return cls(stored.seq, stored.subject, hashlib.sha256(head + stored.payload).hexdigest())

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the link in a line; a line without one gives an empty hash, which matches no message."""
        seq, _, rest = line.strip().partition(" ")
        subject, _, digest = rest.rpartition(" ")
        return cls(int(seq), subject, digest) if seq.isdecimal() and len(seq) < MAX_DIGITS else cls(0, "", "")

    def __str__(self) -> str:
        """Return the link as a line of a chain file."""
        return f"{self.seq} {self.subject} {self.digest}\n"


NO_LINK = ChainLink(0, "", ROOT)
"""What stands before the first link."""


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The end of a chain file."""

    before: ChainLink
    """The link before the last one."""
    last: ChainLink
    torn_bytes: int = 0
    """Length of a last line that a crash cut off."""
    is_broken: bool = False
    """True if the last line is no link."""

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the end of a file, without reading the rest; None without a file. Raises OSError."""
        if not path.exists():
            return None
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * MAX_LINE_BYTES))
            *whole, torn = file.read().split(b"\n")
        links = [ChainLink.parse(line.decode("ascii", "replace")) for line in whole[-2:]]
        before, last = [NO_LINK, NO_LINK, *links][-2:]
        return cls(before, last, len(torn), (not whole and size > len(torn)) or not last.digest)

    @property
    def position(self) -> int:
        """The last position that is recorded."""
        return self.last.seq

    def fits(self, stored: StoredMessage | None) -> bool:
        """Tell whether the last link is of the log's message at its position, None if the log ends before it."""
        if self.is_broken:
            return False
        return not self.position or (stored is not None and self.last == ChainLink.of(self.before.digest, stored))


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The result of a verification."""

    matched: int
    """Number of messages that match their recorded links."""
    digest: str
    """The hash of the last of them, or of the last archived position after it."""
    first_difference: int | None = None
    """The first position that does not match; None if all match."""
    detail: str = ""
    """How that position differs; empty if all match."""
    archived: int = 0
    """Number of recorded positions whose messages are in an archive."""


def message_hash(stored: StoredMessage) -> str:
    """Return a hash of one message with its position and subject."""
    return ChainLink.of(ROOT, stored).digest


def links_of(messages: Iterable[StoredMessage], before: str = ROOT) -> Iterator[ChainLink]:
    """Yield the link of each message."""
    for stored in messages:
        link = ChainLink.of(before, stored)
        before = link.digest
        yield link


def verify_chain(
    links: Iterable[ChainLink],
    messages: Iterable[StoredMessage],
    archived: Collection[str] = (),
    *,
    whole: bool = False,
) -> ChainCheck:
    """Compare messages with their recorded links, up to the last link or the first difference.

    Messages of `archived` campaigns may be missing. Their links stand in for them: the next message's link covers them.
    Messages after the last link are of a log that has grown since; with `whole`, as for an export, they differ.
    """
    last, matched, gone = ChainLink(0, "", ROOT), 0, 0
    rest = iter(messages)
    stored = next(rest, None)
    for link in links:
        missing = stored is None or last.seq < link.seq < stored.seq
        if missing and campaign_of(link.subject) in archived:
            last, gone = link, gone + 1
            continue
        if stored is None or missing:
            return ChainCheck(matched, last.digest, link.seq, "is missing from the log", gone)
        if link != ChainLink.of(last.digest, stored):
            return ChainCheck(matched, last.digest, stored.seq, "is not what it was when it was recorded", gone)
        last, matched, stored = link, matched + 1, next(rest, None)
    if whole and stored is not None:
        return ChainCheck(matched, last.digest, stored.seq, "has no recorded hash", gone)
    return ChainCheck(matched, last.digest, archived=gone)


def read_chain(path: Path) -> Iterator[ChainLink]:
    """Yield the links of a file, without a last line that a crash cut off."""
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            if line.endswith("\n"):
                yield ChainLink.parse(line)


def chain_path(log: Path) -> Path:
    """Return the path of the chain that is exported with a log."""
    return log.with_suffix(".chain")


def write_chain(path: Path, links: Sequence[ChainLink], messages: Sequence[StoredMessage]) -> None:
    """Write a log's chain: the recorded links unchanged, then links of the newer messages."""
    last = links[-1] if links else ChainLink(0, "", ROOT)
    newer = links_of((stored for stored in messages if stored.seq > last.seq), last.digest)
    with path.open("w", encoding="ascii") as file:
        file.writelines(map(str, (*links, *newer)))
