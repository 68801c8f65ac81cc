"""The protocol across the jail's wall: what is sent arrives, and nothing else is believed."""

import pickle
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import JailFault
from sandbox.frames import BODY_LIMIT, HEADER_LIMIT, PREFIX, Channel, Frame, Truncated, decode, encode

SHAPES = [(), (0,), (3,), (2, 0, 5), (7, 1, 3)]


def reason_of(data: bytes) -> str:
    with pytest.raises(JailFault) as caught:
        decode(data)
    return caught.value.reason


def framed(header: bytes, body: bytes = b"") -> bytes:
    return PREFIX.pack(b"m37f", 1, len(header), len(body)) + header + body


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_array_arrives_as_it_was_sent(dtype: str, shape: tuple[int, ...]):
    """Dtype, shape and every value survive, beside another array and plain values."""
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    frame = decode(encode(Frame("logits", {"loss": 1.5, "names": ["a"]}, {"first": np.ones(3, np.uint8), "x": array})))
    assert (frame.kind, frame.header) == ("logits", {"loss": 1.5, "names": ["a"]})
    assert (frame.arrays["x"].dtype, frame.arrays["x"].shape) == (array.dtype, array.shape)
    assert np.array_equal(frame.arrays["x"], array)


@given(st.binary(max_size=400))
def test_junk_is_a_protocol_error(data: bytes):
    """No bytes but a frame's are believed."""
    assert reason_of(data) == "protocol_error"


@given(st.data())
def test_a_damaged_frame_is_whole_or_refused(data: st.DataObject):
    """One changed byte gives a frame or a protocol error, never another exception."""
    good = encode(Frame("logits", {"a": [1, {"b": None}]}, {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}))
    position = data.draw(st.integers(0, len(good) - 1))
    bad = good[:position] + bytes([data.draw(st.integers(0, 255))]) + good[position + 1 :]
    try:
        decode(bad)
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
def test_a_lying_header_is_a_protocol_error(header: bytes):
    """Nothing that a header says is taken on trust."""
    assert reason_of(framed(header)) == "protocol_error"


def test_a_body_that_no_array_needs_is_a_protocol_error():
    """Nothing travels beside the arrays."""
    assert reason_of(framed(b'{"kind": "a", "header": {}, "arrays": []}', b"x" * 8)) == "protocol_error"


def test_a_pickle_is_a_protocol_error():
    """A pickle that would run code is bytes like any others."""

    class Bomb:
        def __reduce__(self) -> tuple:
            return exec, ("raise SystemExit",)

    assert reason_of(pickle.dumps(Bomb())) == "protocol_error"


@pytest.mark.parametrize(("header", "body"), [(HEADER_LIMIT + 1, 0), (10, BODY_LIMIT + 1), (2**32 - 1, 2**64 - 1)])
def test_an_announced_size_over_the_limit_is_refused_before_it_is_read(header: int, body: int):
    """The reader does not wait for, nor make room for, what is only announced."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack("<4sBIQ", b"m37f", 1, header, body))
        with pytest.raises(JailFault, match="protocol_error"):
            Channel(ours).recv(5)


def test_an_object_array_can_not_be_sent():
    """What would need a pickle is refused where it is sent."""
    with pytest.raises(ValueError, match="has dtype object"):
        encode(Frame("a", {}, {"x": np.array([object()])}))


def test_frames_follow_each_other_on_a_channel():
    """Several frames, one larger than the socket's buffer, arrive whole and in order."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        large = np.arange(1 << 20, dtype=np.int64)
        writer = threading.Thread(
            target=lambda: [Channel(theirs).send(Frame("a", {"n": n}, {"x": large})) for n in range(3)]
        )
        writer.start()
        channel = Channel(ours)
        received = [channel.recv(30) for _ in range(3)]
        writer.join()
    assert [frame.header["n"] for frame in received] == [0, 1, 2]
    assert all(np.array_equal(frame.arrays["x"], large) for frame in received)


def test_silence_is_a_timeout_and_a_closed_channel_an_end():
    """A reader can tell a slow writer from one that is gone, and from one that broke off."""
    ours, theirs = socket.socketpair()
    with ours:
        channel = Channel(ours)
        with pytest.raises(TimeoutError):
            channel.recv(0.01)
        theirs.sendall(b"m37f")
        theirs.close()
        with pytest.raises(Truncated):
            channel.recv(5)
        with pytest.raises(EOFError):
            channel.recv(5)
