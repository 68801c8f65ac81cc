"""The store: rebuilt to the same digest, written in one transaction with its position, safe against kills."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.vocabulary.events import HumanMessage, RunRequested
from bus.vocabulary.queries import AskExperiments
from bus.wire.envelope import Envelope, encode
from bus.wire.stored_message import StoredMessage
from memory.projections import TABLES
from memory.queries import Knowledge, answer
from memory.store import Store

MakeStore = Callable[[list[Envelope]], Store]

FOLLOWER = """
import sys
from pathlib import Path
from bus.wire.envelope import decode
from memory.store import Store
payloads = Path(sys.argv[1]).read_bytes().splitlines()
with Store(Path(sys.argv[2])) as store:
    print(store.position, flush=True)
    while store.position < len(payloads):
        store.apply([decode(payloads[store.position], store.position + 1)])
        if store.position % 3 == 0:
            store.commit()
            print(store.position, flush=True)
"""


def test_the_digest_is_the_same_after_reopening(store: Store, log: list[Envelope]) -> None:
    """The rows read are the rows written."""
    store.apply(log)
    digest = store.digest()
    store.close()
    with Store(store.path) as again:
        assert again.digest() == digest


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400), max_size=5))
def test_the_digest_does_not_depend_on_batches(make_store: MakeStore, log: list[Envelope], cuts: list[int]) -> None:
    """However a log is cut into batches and transactions, it gives the same rows."""
    whole, pieces = make_store(log), make_store([])
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        pieces.apply(log[first:last])
        pieces.commit()
    assert pieces.digest() == whole.digest()
    whole.close()
    pieces.close()


def test_a_table_without_rows_adds_nothing_to_the_digest(
    make_store: MakeStore, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a new kind of event changes no digest of an older log."""
    store = make_store(log)
    before = store.digest()
    filled = tuple(kind for kind in TABLES if next(store._select(kind, ""), None))  # type: ignore[attr-defined]
    assert len(filled) < len(TABLES)
    monkeypatch.setattr("memory.store.TABLES", filled)
    assert store.digest() == before


def test_different_logs_have_different_digests(make_store: MakeStore, log: list[Envelope]) -> None:
    """Also a log with one event less."""
    assert make_store(log).digest() != make_store(log[:-1]).digest()


def test_positions_that_were_read_are_not_applied_again(store: Store, log: list[Envelope]) -> None:
    """A repeated batch changes nothing."""
    store.apply(log[:200])
    digest = store.digest()
    store.apply(log[100:200])
    assert store.digest() == digest


def test_an_event_id_is_applied_once(store: Store, log: list[Envelope]) -> None:
    """The same event at a later position is dropped; the position is reached all the same."""
    store.apply(log[:100])
    rows = store.pending_rows
    store.apply([replace(log[50], seq=101)])
    assert (store.pending_rows, store.position) == (rows, 101)


def test_ids_are_remembered_across_restarts(make_store: MakeStore, log: list[Envelope]) -> None:
    """A later process drops an event that an earlier one applied."""
    first = make_store(log[:100])
    first.close()
    with Store(first.path) as again:
        again.apply([replace(log[50], seq=101)])
        assert again.pending_rows == 0


def test_skipped_messages_count_as_read(store: Store, log: list[Envelope]) -> None:
    """The position moves past messages that are no events."""
    store.apply(log[:10], last=StoredMessage(15, "lab.events.x.campaign.Nonsense", b"no event"))
    store.close()
    with Store(store.path) as again:
        assert again.position == 15


def test_an_event_that_cannot_be_stored_is_returned(store: Store, log: list[Envelope]) -> None:
    """With its reason; the rest of the batch is applied."""
    index = next(index for index, envelope in enumerate(log) if isinstance(envelope.event, RunRequested))
    huge = replace(log[index], event=log[index].event.model_copy(update={"seed": 2**70}))
    refused = store.apply([*log[:index], huge, *log[index + 1 :]])
    assert [(envelope.seq, store.position) for envelope, _ in refused] == [(log[index].seq, log[-1].seq)]


def test_any_text_can_be_stored(store: Store, log: list[Envelope]) -> None:
    """Quotes, NUL and characters beyond the basic plane come back unchanged."""
    text = 'it\'s "so"; -- \x00 𝛁 \u2028'
    envelope = replace(log[0], experiment="campaign", event=HumanMessage(kind="steer", text=text))
    store.apply([log[0], replace(envelope, id="message", seq=2)])
    store.close()
    with Store(store.path) as again:
        campaign = again.read_model.campaign(envelope.campaign)
        assert [message.text for message in campaign.human_messages["steer"]] == [text]


def test_released_pages_are_read_again(store: Store, log: list[Envelope]) -> None:
    """Releasing them loses no rows."""
    store.apply(log)
    digest = store.digest()
    store.release_pages()
    assert store.digest() == digest


def test_nothing_is_written_before_commit(store: Store, make_store: MakeStore, log: list[Envelope]) -> None:
    """Rows and position reach the file together or not at all."""
    store.apply(log[:50])
    store.commit()
    store.apply(log[50:])
    copy = store.path.with_name("copy.duckdb")
    for suffix in ("", ".wal"):
        shutil.copy(f"{store.path}{suffix}", f"{copy}{suffix}")
    with Store(copy, read_only=True) as crashed:
        assert (crashed.position, crashed.digest()) == (50, make_store(log[:50]).digest())


def test_a_reader_answers_from_a_stopped_labs_file(make_store: MakeStore, log: list[Envelope]) -> None:
    """Opened for reading, the file gives the same answers."""
    writer = make_store(log)
    query = AskExperiments(ids=("e0001",))
    reply = answer(Knowledge(writer), query)
    writer.close()
    with Store(writer.path, read_only=True) as reader:
        assert answer(Knowledge(reader), query) == reply


def test_a_reader_refuses_a_file_of_another_version(make_store: MakeStore, log: list[Envelope]) -> None:
    """A reader can't rebuild it; the error names the lab that can."""
    old = make_store(log)
    old.close()
    with duckdb.connect(str(old.path)) as database:
        database.execute("UPDATE reached SET shape = 'older'")
    with pytest.raises(ValueError, match=r"another version; hint: start the lab"):
        Store(old.path, read_only=True)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """The error is one line that names the file."""
    with pytest.raises(ValueError, match=r"cannot open .*absent\.duckdb"):
        Store(tmp_path / "absent.duckdb", read_only=True)


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path, log: list[Envelope], make_store: MakeStore) -> None:
    """A process that is killed again and again ends with the digest of one that never was."""
    payloads, file = tmp_path / "log.jsonl", tmp_path / "killed.duckdb"
    payloads.write_bytes(b"\n".join(map(encode, log)))
    for lines in (2, 30, 9):
        with subprocess.Popen(
            [sys.executable, "-c", FOLLOWER, str(payloads), str(file)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            reached = [int(process.stdout.readline()) for _ in range(lines)]
            process.kill()
        with Store(file) as store:
            assert store.position >= reached[-1]
    subprocess.run([sys.executable, "-c", FOLLOWER, str(payloads), str(file)], check=True, capture_output=True)
    with Store(file) as store:
        assert store.digest() == make_store(log).digest()
