"""What crosses the jail's wall: frames of a fixed, length-checked form. Nothing is ever unpickled.

    magic "m37f" | version u8 | header bytes u32 | body bytes u64 | header (JSON) | body (arrays, one after another)

The header is `{"kind": str, "header": {...}, "arrays": [[name, dtype, shape], ...]}`; each array starts at a multiple
of 8 bytes. A reader checks every length before it allocates, so a hostile writer can cost it `limit` bytes at most.
"""

import json
import math
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sandbox.faults import JailFault

MAGIC = b"m37f"
VERSION = 1
PREFIX = struct.Struct("<4sBIQ")
HEADER_LIMIT = 1 << 20
"""Most bytes of a header."""
BODY_LIMIT = 1 << 28
"""Most bytes of arrays in one frame, unless a channel says otherwise (256 MiB)."""
DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
ALIGNMENT = 8
_KIND = re.compile(r"[a-z_]{1,32}")
_NAME = re.compile(r"[\w.:/-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One message: what kind, plain values, and named arrays."""

    kind: str
    """Lower-case word that says what this is."""
    header: dict[str, Any] = field(default_factory=dict)
    """Values that JSON can hold."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """Arrays by name, of the dtypes in `DTYPES`."""


class Truncated(EOFError):
    """The other side went away in the middle of a frame."""


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes. Raises ValueError for what a frame can't hold."""
    for name, array in frame.arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"array {name!r} has dtype {array.dtype.name}, a frame holds {', '.join(DTYPES)}")
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in frame.arrays.items()}
    table = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    header = json.dumps({"kind": frame.kind, "header": frame.header, "arrays": table}).encode()
    if len(header) > HEADER_LIMIT:
        raise ValueError(f"a frame's header is {len(header)} bytes, at most {HEADER_LIMIT} are allowed")
    body = b"".join(array.tobytes() + bytes(-array.nbytes % ALIGNMENT) for array in arrays.values())
    return PREFIX.pack(MAGIC, VERSION, len(header), len(body)) + header + body


def decode(data: bytes, limit: int = BODY_LIMIT) -> Frame:
    """Return the frame that exactly these bytes hold. Raises JailFault(protocol_error)."""
    if len(data) < PREFIX.size:
        raise _junk("too short for a frame")
    header_size, body_size = read_prefix(data[: PREFIX.size], limit)
    if len(data) != PREFIX.size + header_size + body_size:
        raise _junk("its length is not what its prefix says")
    return assemble(data[PREFIX.size : PREFIX.size + header_size], bytearray(data[PREFIX.size + header_size :]))


def read_prefix(prefix: bytes, limit: int) -> tuple[int, int]:
    """Return (header bytes, body bytes) that follow a prefix. Raises JailFault(protocol_error)."""
    magic, version, header_size, body_size = PREFIX.unpack(prefix)
    if magic != MAGIC or version != VERSION:
        raise _junk("no frame begins here")
    if header_size > HEADER_LIMIT or body_size > limit:
        raise _junk(f"a frame of {header_size} + {body_size} bytes is over the limit of {HEADER_LIMIT} + {limit}")
    return header_size, body_size


def assemble(header: bytes, body: bytearray) -> Frame:
    """Return the frame of a header and a body, whose memory its arrays share. Raises JailFault(protocol_error)."""
    try:
        parsed = json.loads(header)
    except (ValueError, RecursionError):
        raise _junk("the header is not JSON") from None
    if not isinstance(parsed, dict) or set(parsed) != {"kind", "header", "arrays"}:
        raise _junk("the header has not the three keys of a frame")
    kind, plain, table = parsed["kind"], parsed["header"], parsed["arrays"]
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise _junk("the kind is no lower-case word")
    if not isinstance(plain, dict) or not isinstance(table, list):
        raise _junk("the header's parts have wrong types")
    return Frame(kind, plain, _arrays(table, body))


def _arrays(table: list[Any], body: bytearray) -> dict[str, np.ndarray]:
    """Return the arrays a table describes; they must fill the body exactly."""
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for entry in table:
        name, dtype, shape = _described(entry)
        if name in arrays:
            raise _junk(f"two arrays are named {name!r}")
        count = math.prod(shape)
        size = count * dtype.itemsize
        if offset + size > len(body):
            raise _junk("the arrays are longer than the body")
        try:
            arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape) if count else np.empty(shape, dtype)
        except ValueError:
            raise _junk("an array of an impossible shape") from None
        offset += size + -size % ALIGNMENT
    if offset != len(body):
        raise _junk("the body is not what the arrays need")
    return arrays


def _described(entry: object) -> tuple[str, np.dtype, tuple[int, ...]]:
    """Return (name, dtype, shape) of an entry of the array table. Raises JailFault(protocol_error)."""
    match entry:
        case [str(name), str(dtype), list(shape)] if (
            _NAME.fullmatch(name)
            and dtype in DTYPES
            and len(shape) <= 8
            and all(type(size) is int and 0 <= size <= 1 << 40 for size in shape)
        ):
            return name, np.dtype(dtype).newbyteorder("<"), tuple(shape)
        case _:
            raise _junk("an array is described wrongly")


def _junk(why: str) -> JailFault:
    """Return the fault of a writer that broke the protocol."""
    return JailFault("protocol_error", why)


class Channel:
    """Frames over a connected stream socket. One reader and one writer at a time."""

    def __init__(self, sock: socket.socket, limit: int = BODY_LIMIT) -> None:
        """Wrap a socket; `limit` is the most array bytes that a received frame may have."""
        self._sock = sock
        self._limit = limit

    def send(self, frame: Frame, timeout: float | None = None) -> None:
        """Write a frame. Raises TimeoutError, OSError where the other side is gone, ValueError for a bad frame."""
        data = encode(frame)
        self._sock.settimeout(timeout)
        self._sock.sendall(data)

    def recv(self, timeout: float | None = None) -> Frame:
        """Return the next frame within `timeout` seconds.

        Raises TimeoutError, EOFError where the other side has closed (Truncated within a frame), and
        JailFault(protocol_error) for anything that is no frame; after that the channel can't be read again.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        prefix = self._exactly(PREFIX.size, deadline, started=False)
        header_size, body_size = read_prefix(bytes(prefix), self._limit)
        header = self._exactly(header_size, deadline)
        return assemble(bytes(header), self._exactly(body_size, deadline))

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _exactly(self, size: int, deadline: float | None, *, started: bool = True) -> bytearray:
        """Read `size` bytes, growing as they come, so that a mere promise of bytes costs nothing."""
        data = bytearray()
        while len(data) < size:
            self._sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            piece = self._sock.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise Truncated("the frame breaks off") if started or data else EOFError("the channel is closed")
            data += piece
        return data
