"""Reads one text file, also if gzip has packed it (`.gz`), and refuses what is no text in one line with its name.

Text is what has no NUL byte: the bytes of any encoding but UTF-16 and UTF-32 are trained on as they are. A byte order
mark of UTF-8 is dropped. A file is read in parts and up to a limit, since a small packed file can be of any length.
"""

import gzip
import os
import stat
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

MIN_PIECE_BYTES = 16_384
"""A file that is more than one document is cut at the first blank line after this many bytes."""
PART_BYTES = 1 << 20
"""Bytes read at once."""
MAX_DOCUMENT_BYTES = 1 << 30
"""Size of the largest file that is one document, unpacked."""
MAX_FILE_BYTES = 1 << 36
"""Size of the largest file that is cut into documents, unpacked: minutes to read, and far more than a rung uses."""


def shown(path: str | Path) -> str:
    r"""Return a path as text for a message, with bytes that are not UTF-8 as in `\xff`."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def require_utf8(path: str | Path) -> None:
    """Raise ValueError if a path is not UTF-8: neither an event nor the reader of tables can hold it."""
    if os.fsencode(path).decode("utf-8", errors="replace") != str(path):
        raise ValueError(f"{shown(path)}: the path is not UTF-8; hint: rename the file or folder")


def require_regular(path: Path) -> None:
    """Raise ValueError for a pipe, a socket or a device: reading one may never end. Raises OSError."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{shown(path)}: not a regular file, but a pipe, socket or device; hint: give text in files")


def require_text(content: bytes, path: Path) -> None:
    """Raise ValueError if the content of a file is binary."""
    if b"\0" in content:
        raise ValueError(f"{shown(path)}: binary data, not text; hint: give text only; hidden files are ignored")


def read_document(path: Path) -> bytes:
    """Return a file as one document. Raises ValueError in one line, OSError."""
    return b"".join(_read_parts(path, MAX_DOCUMENT_BYTES))


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield documents of about MIN_PIECE_BYTES; without a blank line, cut anywhere. Raises as `read_document`."""
    return _cut_at_blank_lines(_read_parts(path, MAX_FILE_BYTES))


def _cut_at_blank_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a text, which do not depend on its parts."""
    text = b""
    for part in chain(parts, (b"",)):  # an empty part is the end
        text, start = text + part, 0
        while start < len(text) and (not part or len(text) >= start + 2 * MIN_PIECE_BYTES):
            cut = text.find(b"\n\n", start + MIN_PIECE_BYTES, start + 2 * MIN_PIECE_BYTES)
            end = start + MIN_PIECE_BYTES if cut < 0 else cut + 2
            yield text[start:end]
            start = end
        text = text[start:]


def _read_parts(path: Path, limit: int) -> Iterator[bytes]:
    """Yield the text of a file in parts that are not empty. Raises ValueError if it is longer than `limit` bytes."""
    size = 0
    for part in _unpack(path):
        if not size and part.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise ValueError(f"{shown(path)}: UTF-16 or UTF-32; hint: convert it, as by `iconv -f UTF-16 -t UTF-8`")
        require_text(part, path)
        text = part if size else part.removeprefix(BOM_UTF8)
        size += len(part)
        if size > limit:
            raise ValueError(f"{shown(path)}: more than {limit:,} bytes; hint: divide it into smaller files")
        if text:
            yield text


def _unpack(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, which gzip has packed if its name says so. Raises ValueError, OSError."""
    require_regular(path)
    with path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            yield from iter(lambda: file.read(PART_BYTES), b"")
            return
        try:
            with gzip.open(file) as unpacked:
                yield from iter(lambda: unpacked.read(PART_BYTES), b"")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{shown(path)}: gzip can't unpack it ({error})") from None
