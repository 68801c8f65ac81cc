"""A hash chain over the log: each position's SHA-256 covers its message and the hash before it: a flipped bit is found.

Nobody writes it centrally. Memory's process, which reads every message anyway, notes the links as they come in a file
of its own (`Witness`); an export writes them beside the log. Verifying computes each link again from the message and
from the hash *noted* before it: the first position that differs is the one that changed, and only that one.

What this proves: the log is still what was read when it was new. Whoever can rewrite log and chain together can forge
both; against that, keep the last hash (`move37 events --verify` prints it) somewhere else.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Self

from bus.wire.stored import Stored

MAX_LINE_BYTES = 16_384
"""Bytes that surely hold a whole line: a subject is at most 4096."""
ROOT = "0" * 64
"""Stands for the hash before the first message."""


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The hash of the log up to one position."""

    seq: int
    subject: str
    digest: str

    @classmethod
    def of(cls, before: str, stored: Stored) -> Self:
        """Return the link of a message behind the hash `before`."""
        head = f"{before} {stored.seq} {stored.subject}\n".encode()
        return cls(stored.seq, stored.subject, hashlib.sha256(head + stored.payload).hexdigest())

    @classmethod
    def parse(cls, line: str) -> Self:
        """Return the link that a line holds; what holds none has an empty hash, which nothing matches."""
        seq, _, rest = line.strip().partition(" ")
        subject, _, digest = rest.rpartition(" ")
        return cls(int(seq), subject, digest) if seq.isdecimal() else cls(0, "", "")

    def __str__(self) -> str:
        """Return the link as a line."""
        return f"{self.seq} {self.subject} {self.digest}\n"


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What a verification found."""

    matched: int
    """Messages that are as they were noted."""
    digest: str
    """The hash of the last of them."""
    first_difference: int | None = None
    """The first position that is not as it was noted."""
    how: str = ""
    """In which way."""


def links_of(messages: Iterable[Stored], before: str = ROOT) -> Iterator[ChainLink]:
    """Yield the link of each message."""
    for stored in messages:
        link = ChainLink.of(before, stored)
        before = link.digest
        yield link


def verify_chain(noted: Iterable[ChainLink], messages: Iterable[Stored]) -> ChainCheck:
    """Compare messages with their noted links, position by position, up to the end of the note or to a difference."""
    last, matched = ChainLink(0, "", ROOT), 0
    for link, stored in zip_longest(noted, messages):
        if link is None:
            break  # newer than the note: nothing is claimed about it
        if stored is None or last.seq < link.seq < stored.seq:
            return ChainCheck(matched, last.digest, link.seq, "is missing from the log")
        if link != ChainLink.of(last.digest, stored):
            return ChainCheck(matched, last.digest, stored.seq, "is not what it was when it was noted")
        last, matched = link, matched + 1
    return ChainCheck(matched, last.digest)


def read_chain(path: Path) -> Iterator[ChainLink]:
    """Yield the links of a file; a last line that a crash cut off is left out."""
    with path.open(encoding="ascii", errors="replace") as file:
        for line in file:
            if line.endswith("\n"):
                yield ChainLink.parse(line)


def chain_path(log: Path) -> Path:
    """Return where an export puts the chain that belongs to a log."""
    return log.with_suffix(".chain")


def write_chain(path: Path, noted: Sequence[ChainLink], messages: Sequence[Stored]) -> None:
    """Write a log's chain: the links that were noted, as they stand, and behind them those of newer messages."""
    newer = links_of(messages[len(noted) :], noted[-1].digest if noted else ROOT)
    with path.open("w", encoding="ascii") as file:
        file.writelines(map(str, (*noted, *newer)))


class ChainRecorder:
    """The file of links that memory's process keeps: it goes on where it stands, also after a crash."""

    def __init__(self, path: Path) -> None:
        """Open the file, cut a torn last line off, and stand at its end."""
        self._file = path.open("a+b")
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - MAX_LINE_BYTES))
        *whole, torn = self._file.read().split(b"\n")
        self._file.truncate(size - len(torn))
        self._last = ChainLink.parse(whole[-1].decode("ascii", "replace")) if whole else ChainLink(0, "", ROOT)

    @property
    def position(self) -> int:
        """Position in the log that has been noted."""
        return self._last.seq

    def record(self, batch: Iterable[Stored]) -> None:
        """Append the links of messages that follow."""
        for link in links_of(batch, self._last.digest):
            self._file.write(str(link).encode())
            self._last = link
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
