"""Frames: the messages between a run and its parent, in a fixed, length-checked form. Nothing is ever unpickled.

    magic "m37f" | version u8 | header bytes u32 | body bytes u64 | header (JSON) | body (arrays, one after another)

The header is `{"kind": str, "header": {...}, "arrays": [[name, dtype, shape], ...]}`. Each array starts at a multiple
of 8 bytes. A reader checks every length before it allocates, so a hostile writer costs it `max_body_bytes` at most.
"""

import json
import math
import re
import select
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
MAX_HEADER_BYTES = 1 << 20
MAX_BODY_BYTES = 1 << 28
"""Most bytes of arrays in a frame (256 MiB), unless a channel sets its own limit."""
DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
"""Dtypes that a frame can hold; their bytes are in little-endian order."""
ALIGNMENT = 8
"""Every array starts at a multiple of this number of bytes in the body."""
_MAX_AXES, _MAX_AXIS_LENGTH = 8, 1 << 40
"""Limits on an announced shape; `_arrays` then checks its size."""
_KIND = re.compile(r"[a-z_]{1,32}")
_NAME = re.compile(r"[\w.:/-]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One message: its kind, plain values, and named arrays."""

    kind: str
    """Lower-case word that names the kind of message."""
    header: dict[str, Any] = field(default_factory=dict)
    """Values that JSON can hold."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    """Arrays by name, with the dtypes in `DTYPES`."""


class TruncatedFrame(EOFError):
    """The channel was closed in the middle of a frame."""


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes. Raises ValueError for a dtype that a frame can't hold, or a header that is too long."""
    for name, array in frame.arrays.items():
        if array.dtype.name not in DTYPES:
            raise ValueError(f"array {name!r} has dtype {array.dtype.name}; hint: a frame holds {', '.join(DTYPES)}")
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in frame.arrays.items()}
    table = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    header = json.dumps({"kind": frame.kind, "header": frame.header, "arrays": table}).encode()
    if len(header) > MAX_HEADER_BYTES:
        raise ValueError(f"a frame's header has {len(header)} bytes, at most {MAX_HEADER_BYTES} are allowed")
    body = b"".join(array.tobytes() + bytes(-array.nbytes % ALIGNMENT) for array in arrays.values())
    return PREFIX.pack(MAGIC, VERSION, len(header), len(body)) + header + body


def decode(data: bytes, max_body_bytes: int = MAX_BODY_BYTES) -> Frame:
    """Return the frame that exactly these bytes hold. Raises JailFault(protocol_error)."""
    if len(data) < PREFIX.size:
        raise _protocol_error("too few bytes for a frame")
    header_size, body_size = read_prefix(data[: PREFIX.size], max_body_bytes)
    if len(data) != PREFIX.size + header_size + body_size:
        raise _protocol_error("the frame's length differs from its prefix")
    return assemble(data[PREFIX.size : PREFIX.size + header_size], bytearray(data[PREFIX.size + header_size :]))


def read_prefix(prefix: bytes, max_body_bytes: int) -> tuple[int, int]:
    """Return (header bytes, body bytes) that follow a prefix. Raises JailFault(protocol_error)."""
    magic, version, header_size, body_size = PREFIX.unpack(prefix)
    if magic != MAGIC or version != VERSION:
        raise _protocol_error("the bytes are not a frame")
    if header_size > MAX_HEADER_BYTES or body_size > max_body_bytes:
        limit = f"{MAX_HEADER_BYTES} + {max_body_bytes}"
        raise _protocol_error(f"a frame of {header_size} + {body_size} bytes is over the limit of {limit}")
    return header_size, body_size


def assemble(header: bytes, body: bytearray) -> Frame:
    """Return the frame of a header and a body; its arrays share the body's memory. Raises JailFault(protocol_error)."""
    try:
        parsed = json.loads(header)
    except (ValueError, RecursionError):
        raise _protocol_error("the header is not JSON") from None
    if not isinstance(parsed, dict) or set(parsed) != {"kind", "header", "arrays"}:
        raise _protocol_error("the header's keys are not kind, header and arrays")
    kind, values, table = parsed["kind"], parsed["header"], parsed["arrays"]
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise _protocol_error("the kind is not a lower-case word")
    if not isinstance(values, dict) or not isinstance(table, list):
        raise _protocol_error("the header's parts have wrong types")
    return Frame(kind, values, _arrays(table, body))


def _arrays(table: list[Any], body: bytearray) -> dict[str, np.ndarray]:
    """Return the arrays that a table describes. Raises JailFault(protocol_error) unless they fill the body exactly."""
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for entry in table:
        name, dtype, shape = _parse_entry(entry)
        if name in arrays:
            raise _protocol_error(f"two arrays are named {name!r}")
        count = math.prod(shape)
        size = count * dtype.itemsize
        if offset + size > len(body):
            raise _protocol_error("the arrays are longer than the body")
        try:
            arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape) if count else np.empty(shape, dtype)
        except ValueError:
            raise _protocol_error("an array has an impossible shape") from None
        offset += size + -size % ALIGNMENT
    if offset != len(body):
        raise _protocol_error("the body is longer than the arrays")
    return arrays


def _parse_entry(entry: object) -> tuple[str, np.dtype, tuple[int, ...]]:
    """Return (name, dtype, shape) of an entry of the table of arrays. Raises JailFault(protocol_error)."""
    match entry:
        case [str(name), str(dtype), list(shape)] if (
            _NAME.fullmatch(name)
            and dtype in DTYPES
            and len(shape) <= _MAX_AXES
            and all(type(length) is int and 0 <= length <= _MAX_AXIS_LENGTH for length in shape)
        ):
            return name, np.dtype(dtype).newbyteorder("<"), tuple(shape)
        case _:
            raise _protocol_error("an array's description is invalid")


def _protocol_error(message: str) -> JailFault:
    return JailFault("protocol_error", message)


class Channel:
    """Frames over a connected stream socket, for one reader and one writer at a time."""

    def __init__(self, sock: socket.socket, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        """Wrap a socket; a received frame may have at most `max_body_bytes` bytes of arrays."""
        self._sock = sock
        self._max_body_bytes = max_body_bytes

    def send(self, frame: Frame, timeout_s: float | None = None) -> None:
        """Write a frame. Raises TimeoutError, OSError if the other side is gone, and ValueError as `encode` does."""
        data = encode(frame)
        self._sock.settimeout(timeout_s)
        self._sock.sendall(data)

    def recv(self, timeout_s: float | None = None) -> Frame:
        """Return the next frame within `timeout_s` seconds.

        Raises TimeoutError, EOFError if the other side has closed (TruncatedFrame within a frame), and
        JailFault(protocol_error) for bytes that are no frame. After that the channel can't be read again.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        prefix = self._read_exactly(PREFIX.size, deadline, started=False)
        header_size, body_size = read_prefix(bytes(prefix), self._max_body_bytes)
        header = self._read_exactly(header_size, deadline)
        return assemble(bytes(header), self._read_exactly(body_size, deadline))

    def wait(self, timeout_s: float) -> bool:
        """Return whether within `timeout_s` seconds there is something to read, which may be the end."""
        return bool(select.select([self._sock], [], [], timeout_s)[0])

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _read_exactly(self, size: int, deadline: float | None, *, started: bool = True) -> bytearray:
        """Read `size` bytes into a buffer that grows as they arrive, so that announcing bytes costs nothing.

        `started` says that an earlier part of the frame has been read.
        """
        data = bytearray()
        while len(data) < size:
            self._sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
            piece = self._sock.recv(min(size - len(data), 1 << 20))
            if not piece and (started or data):
                raise TruncatedFrame("the frame is incomplete")
            if not piece:
                raise EOFError("the channel is closed")
            data += piece
        return data
