"""The protocol between a run and its parent: frames arrive as sent, and all other bytes are refused."""

import pickle
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import JailFault
from sandbox.frames import MAX_BODY_BYTES, MAX_HEADER_BYTES, PREFIX, Channel, Frame, TruncatedFrame, decode, encode

SHAPES = [(), (0,), (3,), (2, 0, 5), (7, 1, 3)]


def reason_of(data: bytes) -> str:
    """Return the reason for which bytes are refused."""
    with pytest.raises(JailFault) as caught:
        decode(data)
    return caught.value.reason


def framed(header: bytes, body: bytes = b"") -> bytes:
    """Return a header and a body with a correct prefix."""
    return PREFIX.pack(b"m37f", 1, len(header), len(body)) + header + body


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_array_arrives_as_it_was_sent(dtype: str, shape: tuple[int, ...]):
    """Dtype, shape and every value, together with another array and plain values."""
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    frame = decode(encode(Frame("logits", {"loss": 1.5, "names": ["a"]}, {"first": np.ones(3, np.uint8), "x": array})))
    assert (frame.kind, frame.header) == ("logits", {"loss": 1.5, "names": ["a"]})
    assert (frame.arrays["x"].dtype, frame.arrays["x"].shape) == (array.dtype, array.shape)
    assert np.array_equal(frame.arrays["x"], array)


@given(st.binary(max_size=400))
def test_junk_is_a_protocol_error(data: bytes):
    """Only a frame's bytes are accepted."""
    assert reason_of(data) == "protocol_error"


@given(st.data())
def test_a_damaged_frame_is_a_frame_or_a_protocol_error(data: st.DataObject):
    """One changed byte never raises another exception."""
    intact = encode(Frame("logits", {"a": [1, {"b": None}]}, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}))
    position = data.draw(st.integers(0, len(intact) - 1))
    damaged = intact[:position] + bytes([data.draw(st.integers(0, 255))]) + intact[position + 1 :]
    try:
        decode(damaged)
    except JailFault as fault:
        reason = fault.reason
    else:
        reason = "protocol_error"
    assert reason == "protocol_error"


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"kind": "a", "header": {}, "arrays": [], "more": 1}',
        b'{"kind": "Upper", "header": {}, "arrays": []}',
        b'{"kind": "a", "header": [], "arrays": []}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "object", [1]]]}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "float32", [-1]]]}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "float32", [true]]]}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "float32", [1000000000]]]}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "float32", [0, 1099511627776, 1099511627776]]]}',
        b'{"kind": "a", "header": {}, "arrays": [["x", "uint8", [0]], ["x", "uint8", [0]]]}',
        b'{"kind": "a", "header": {"n": ' + b"9" * 10_000 + b'}, "arrays": []}',
    ],
    ids=lambda header: header[:60].decode(),
)
def test_a_false_header_is_a_protocol_error(header: bytes):
    """Every value of a header is checked."""
    assert reason_of(framed(header)) == "protocol_error"


def test_a_body_that_is_longer_than_its_arrays_is_a_protocol_error():
    """A body holds arrays only."""
    assert reason_of(framed(b'{"kind": "a", "header": {}, "arrays": []}', b"x" * 8)) == "protocol_error"


def test_a_pickle_is_a_protocol_error():
    """A pickle that would run code is refused as any other bytes."""

    class Bomb:
        def __reduce__(self) -> tuple:
            return exec, ("raise SystemExit",)

    assert reason_of(pickle.dumps(Bomb())) == "protocol_error"


@pytest.mark.parametrize(
    ("header", "body"), [(MAX_HEADER_BYTES + 1, 0), (10, MAX_BODY_BYTES + 1), (2**32 - 1, 2**64 - 1)]
)
def test_an_announced_size_over_the_limit_is_refused_before_it_is_read(header: int, body: int):
    """The reader neither waits for the bytes nor allocates memory for them."""
    reader_end, writer_end = socket.socketpair()
    with reader_end, writer_end:
        writer_end.sendall(struct.pack("<4sBIQ", b"m37f", 1, header, body))
        with pytest.raises(JailFault, match="protocol_error"):
            Channel(reader_end).recv(5)


def test_an_object_array_can_not_be_sent():
    """An array that needs a pickle is refused before it is sent."""
    with pytest.raises(ValueError, match="has dtype object"):
        encode(Frame("a", {}, {"x": np.array([object()])}))


def test_frames_arrive_in_order():
    """Frames that are larger than the socket's buffer arrive whole."""
    reader_end, writer_end = socket.socketpair()
    with reader_end, writer_end:
        large = np.arange(1 << 20, dtype=np.int64)
        writer = threading.Thread(
            target=lambda: [Channel(writer_end).send(Frame("a", {"n": n}, {"x": large})) for n in range(3)]
        )
        writer.start()
        channel = Channel(reader_end)
        received = [channel.recv(30) for _ in range(3)]
        writer.join()
    assert [frame.header["n"] for frame in received] == [0, 1, 2]
    assert all(np.array_equal(frame.arrays["x"], large) for frame in received)


def test_a_slow_writer_a_broken_frame_and_a_closed_channel_differ():
    """Each raises an exception of its own."""
    reader_end, writer_end = socket.socketpair()
    with reader_end:
        channel = Channel(reader_end)
        with pytest.raises(TimeoutError):
            channel.recv(0.01)
        writer_end.sendall(b"m37f")
        writer_end.close()
        with pytest.raises(TruncatedFrame):
            channel.recv(5)
        with pytest.raises(EOFError):
            channel.recv(5)
