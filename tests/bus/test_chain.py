"""The hash chain: one flipped bit, one lost message or one forged message has a position and a name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink, ChainRecorder
from bus.wire.stored import Stored

LOG = [Stored(seq, f"lab.events.c.e{seq % 3}.T", f'{{"n":{seq}}}'.encode()) for seq in range(1, 21)]
NOTED = list(chain.links_of(LOG))


@given(st.integers(0, 19), st.integers(0, 10_000))
def test_any_flipped_bit_is_found_at_its_position(at: int, bit: int) -> None:
    """Whichever message and bit it is."""
    payload = bytearray(LOG[at].payload)
    payload[bit // 8 % len(payload)] ^= 1 << bit % 8
    log = [*LOG[:at], Stored(at + 1, LOG[at].subject, bytes(payload)), *LOG[at + 1 :]]
    verdict = chain.verify_chain(NOTED, log)
    assert (verdict.first_difference, verdict.matched) == (at + 1, at)


@given(st.data())
def test_any_flipped_bit_of_the_chain_itself_is_found(data: st.DataObject) -> None:
    """The note is no more trusted than the log: the first position that does not fit is named."""
    lines = [str(link).encode() for link in NOTED]
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = bytearray(lines[at])
    changed[data.draw(st.integers(0, len(changed) - 2))] ^= 1 << data.draw(st.integers(0, 6))
    noted = [
        ChainLink.parse(line.decode("ascii", "replace")) for line in [*lines[:at], bytes(changed), *lines[at + 1 :]]
    ]
    verdict = chain.verify_chain(noted, LOG)
    assert verdict.first_difference == at + 1


def test_a_lost_message_is_missing() -> None:
    """Also the last one."""
    assert chain.verify_chain(NOTED, [*LOG[:7], *LOG[8:]]).first_difference == 8
    assert chain.verify_chain(NOTED, LOG[:-1]).first_difference == 20
    assert "missing" in chain.verify_chain(NOTED, LOG[:-1]).how


def test_a_moved_message_is_found() -> None:
    """Same bytes on another subject are another message."""
    moved = Stored(5, "lab.events.c.e9.T", LOG[4].payload)
    assert chain.verify_chain(NOTED, [*LOG[:4], moved, *LOG[5:]]).first_difference == 5


def test_newer_messages_are_not_claimed() -> None:
    """What came after the note is counted by nobody."""
    verdict = chain.verify_chain(NOTED[:12], LOG)
    assert (verdict.first_difference, verdict.matched, verdict.digest) == (None, 12, NOTED[11].digest)


@pytest.mark.parametrize("cut", [0, 1, 50, 100])
def test_the_witness_goes_on_after_a_crash(tmp_path: Path, cut: int) -> None:
    """A torn last line is noted again, and the chain is the one that was never interrupted."""
    path = tmp_path / "log.chain"
    first = ChainRecorder(path)
    first.record(LOG[:10])
    first.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    second = ChainRecorder(path)
    assert second.position == (10 if cut == 0 else 9 if cut < len(str(NOTED[9])) else 8)
    second.record(LOG[second.position :])
    second.close()
    assert list(chain.read_chain(path)) == NOTED


def test_an_exported_chain_keeps_what_was_noted(tmp_path: Path) -> None:
    """An export doesn't bless a log that had changed before it."""
    path = tmp_path / "log.chain"
    changed = [*LOG[:4], Stored(5, LOG[4].subject, b"forged"), *LOG[5:]]
    chain.write_chain(path, NOTED[:15], changed)
    assert chain.verify_chain(list(chain.read_chain(path)), changed).first_difference == 5
    assert chain.verify_chain(list(chain.read_chain(path)), LOG).first_difference is None


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_a_file_keeps_any_bytes_a_line_a_message(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    """Also those that hold line ends, so that a line is a position."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    log_file.write_log(path, [Stored(seq, "s", payload) for seq, payload in enumerate(payloads, 1)])
    assert list(log_file.read_payloads(path)) == payloads
