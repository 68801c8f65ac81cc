"""The hash chain finds the position of a flipped bit, a lost message or a forged message."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.audit import chain, log_file
from bus.audit.chain import ChainLink
from bus.audit.recorder import ChainRecorder
from bus.wire.stored_message import StoredMessage

LOG = [StoredMessage(seq, f"lab.events.c.e{seq % 3}.T", f'{{"n":{seq}}}'.encode()) for seq in range(1, 21)]
LINKS = list(chain.links_of(LOG))


@given(st.integers(0, 19), st.integers(0, 10_000))
def test_any_flipped_bit_is_found_at_its_position(index: int, bit: int) -> None:
    """The bit may be any bit of any message."""
    payload = bytearray(LOG[index].payload)
    payload[bit // 8 % len(payload)] ^= 1 << bit % 8
    log = [*LOG[:index], StoredMessage(index + 1, LOG[index].subject, bytes(payload)), *LOG[index + 1 :]]
    check = chain.verify_chain(LINKS, log)
    assert (check.first_difference, check.matched) == (index + 1, index)


@given(st.data())
def test_any_flipped_bit_of_the_chain_itself_is_found(data: st.DataObject) -> None:
    """The check names the first position at which chain and log differ, whichever of them is wrong."""
    lines = [str(link).encode() for link in LINKS]
    index = data.draw(st.integers(0, len(lines) - 1))
    changed = bytearray(lines[index])
    changed[data.draw(st.integers(0, len(changed) - 2))] ^= 1 << data.draw(st.integers(0, 6))
    lines[index] = bytes(changed)
    links = [ChainLink.parse(line.decode("ascii", "replace")) for line in lines]
    assert chain.verify_chain(links, LOG).first_difference == index + 1


def test_a_lost_message_is_found() -> None:
    """It may be in the middle of the log or at its end."""
    assert chain.verify_chain(LINKS, [*LOG[:7], *LOG[8:]]).first_difference == 8
    assert chain.verify_chain(LINKS, LOG[:-1]).first_difference == 20
    assert "missing" in chain.verify_chain(LINKS, LOG[:-1]).detail


def test_a_moved_message_is_found() -> None:
    """The same bytes on another subject are another message."""
    moved = StoredMessage(5, "lab.events.c.e9.T", LOG[4].payload)
    assert chain.verify_chain(LINKS, [*LOG[:4], moved, *LOG[5:]]).first_difference == 5


def test_messages_after_the_last_link_are_not_counted() -> None:
    """The chain says nothing about them. An export's chain covers all of it, so there they differ."""
    check = chain.verify_chain(LINKS[:12], LOG)
    assert (check.first_difference, check.matched, check.digest) == (None, 12, LINKS[11].digest)
    check = chain.verify_chain(LINKS[:12], LOG, whole=True)
    assert (check.first_difference, check.matched, check.digest) == (13, 12, LINKS[11].digest)
    assert chain.verify_chain(LINKS, LOG, whole=True).first_difference is None


@pytest.mark.parametrize("cut", [0, 1, 50, 100])
def test_the_recorder_continues_after_a_crash(tmp_path: Path, cut: int) -> None:
    """It records an incomplete last line again, and the chain is the same as without the crash."""
    path = tmp_path / "log.chain"
    recorder = ChainRecorder(path)
    recorder.record(LOG[:10])
    recorder.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    restarted = ChainRecorder(path)
    assert restarted.position == (10 if cut == 0 else 9 if cut < len(str(LINKS[9])) else 8)
    restarted.record(LOG[restarted.position :])
    restarted.close()
    assert list(chain.read_chain(path)) == LINKS


@pytest.mark.parametrize(
    "end", [b"garbage\n", b"\xff" * 40_000, b"9" * 5000 + b" s d\n"], ids=["a line", "no line", "digits"]
)
def test_garbage_at_the_end_is_set_aside(tmp_path: Path, end: bytes) -> None:
    """The links before it are kept, and the rest is recorded again."""
    path = tmp_path / "log.chain"
    path.write_bytes("".join(map(str, LINKS[:10])).encode() + end)
    recorder = ChainRecorder(path)
    if recorder.position != 10:  # garbage without a line break is cut off as an incomplete line
        assert not recorder.fits(None)
        recorder.restart(LOG)
        assert len(list(tmp_path.glob("log.chain.bad-*"))) == 1
    recorder.record(LOG[recorder.position :])
    recorder.close()
    assert list(chain.read_chain(path)) == LINKS


def test_garbage_in_the_middle_is_the_first_difference(tmp_path: Path) -> None:
    """It stays there as evidence, and the chain goes on after its end."""
    path = tmp_path / "log.chain"
    lines = list(map(str, LINKS[:10]))
    lines[4] = "garbage\n"
    path.write_text("".join(lines))
    recorder = ChainRecorder(path)
    assert recorder.fits(LOG[9])
    recorder.record(LOG[10:])
    recorder.close()
    assert chain.verify_chain(chain.read_chain(path), LOG).first_difference == 5


@pytest.mark.parametrize("regrown", [False, True], ids=["shorter", "regrown"])
def test_a_chain_of_a_lost_tail_is_recorded_again(tmp_path: Path, regrown: bool) -> None:
    """A changed message before that tail stays a difference."""
    path = tmp_path / "log.chain"
    recorder = ChainRecorder(path)
    recorder.record(LOG[:18])
    changed = [*LOG[:2], StoredMessage(3, LOG[2].subject, b"forged"), *LOG[3:15]]
    log = [*changed, *(StoredMessage(seq, "s", b"other") for seq in range(16, 21))] if regrown else changed
    assert not recorder.fits(log[17] if regrown else None)
    recorder.restart(log)
    assert recorder.position == 15
    recorder.record(log[15:])
    recorder.close()
    assert chain.verify_chain(chain.read_chain(path), log).first_difference == 3
    assert chain.verify_chain(chain.read_chain(path), [*LOG[:15], *log[15:]]).first_difference is None


def test_an_exported_chain_keeps_the_recorded_links(tmp_path: Path) -> None:
    """If the log was changed, the export does not hide the change."""
    path = tmp_path / "log.chain"
    changed = [*LOG[:4], StoredMessage(5, LOG[4].subject, b"forged"), *LOG[5:]]
    chain.write_chain(path, LINKS[:15], changed)
    assert chain.verify_chain(list(chain.read_chain(path)), changed).first_difference == 5
    assert chain.verify_chain(list(chain.read_chain(path)), LOG).first_difference is None


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_a_log_file_has_one_line_for_each_message(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes]
) -> None:
    """So a line number is a position, even if messages contain line breaks."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    log_file.write_log(path, [StoredMessage(seq, "s", payload) for seq, payload in enumerate(payloads, 1)])
    assert list(log_file.read_payloads(path)) == list(enumerate(payloads, 1))


def test_an_archived_campaign_may_be_missing_and_no_other() -> None:
    """The links of its messages stand in for them; a change after them is found."""
    log = [StoredMessage(seq, f"lab.events.{'ab'[seq % 2]}.e1.Test", b"%d" % seq) for seq in range(1, 9)]
    links = list(chain.links_of(log))
    rest = [stored for stored in log if stored.seq % 2]
    check = chain.verify_chain(links, rest, {"a"})
    assert (check.matched, check.archived, check.first_difference) == (4, 4, None)
    assert chain.verify_chain(links, rest, {"b"}).first_difference == 2
    assert chain.verify_chain(links, rest[:-1], {"a"}).first_difference == 7
    forged = [*rest[:2], StoredMessage(5, rest[2].subject, b"forged"), rest[3]]
    assert chain.verify_chain(links, forged, {"a"}).first_difference == 5
    changed = [chain.ChainLink(4, links[3].subject, "0" * 64) if link.seq == 4 else link for link in links]
    assert chain.verify_chain(changed, rest, {"a"}).first_difference == 5


def test_a_position_without_a_message_is_an_empty_line(tmp_path: Path) -> None:
    """Line numbers stay positions, also next to an empty message."""
    log = [StoredMessage(seq, "s", payload) for seq, payload in ((2, b"a"), (5, b""), (6, b"b"))]
    assert log_file.write_log(tmp_path / "log.jsonl", log) == 3
    assert list(log_file.read_payloads(tmp_path / "log.jsonl")) == [(stored.seq, stored.payload) for stored in log]


def test_a_log_is_compressed_by_its_name(tmp_path: Path) -> None:
    """What is read back is what was written, and the same log gives the same bytes."""
    log = [StoredMessage(seq, "s", b'{"a":%d}' % seq) for seq in (1, 2, 4)]
    files = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    assert [log_file.write_log(file, log) for file in files] == [3, 3]
    assert files[0].read_bytes()[:2] == b"\x1f\x8b"
    assert files[0].read_bytes() == files[1].read_bytes()
    assert list(log_file.read_payloads(files[0])) == [(message.seq, message.payload) for message in log]
