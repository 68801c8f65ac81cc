"""The file: rebuilt to the same digest, written in one transaction with its position, safe against being killed."""

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
from memory.answers import answer
from memory.store import Store

Fill = Callable[[list[Envelope]], Store]

PROJECT = """
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
    """What was written is what is read."""
    store.apply(log)
    digest = store.digest()
    store.close()
    with Store(store.path) as again:
        assert again.digest() == digest


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 400), max_size=5))
def test_the_digest_does_not_hang_on_batches(stored: Fill, log: list[Envelope], cuts: list[int]) -> None:
    """However a log is cut into batches and transactions, the same rows come out."""
    whole, pieces = stored(log), stored([])
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        pieces.apply(log[first:last])
        pieces.commit()
    assert pieces.digest() == whole.digest()
    whole.close()
    pieces.close()


def test_the_digest_tells_logs_apart(stored: Fill, log: list[Envelope]) -> None:
    """A log with one event less has another digest."""
    assert stored(log).digest() != stored(log[:-1]).digest()


def test_positions_that_were_read_are_not_applied_again(store: Store, log: list[Envelope]) -> None:
    """A batch that comes again changes nothing."""
    store.apply(log[:200])
    digest = store.digest()
    store.apply(log[100:200])
    assert store.digest() == digest


def test_an_event_id_counts_once(store: Store, log: list[Envelope]) -> None:
    """The same event under a later position is dropped; the position is still taken."""
    store.apply(log[:100])
    rows = store.pending_rows
    store.apply([replace(log[50], seq=101)])
    assert (store.pending_rows, store.position) == (rows, 101)


def test_ids_are_remembered_across_restarts(stored: Fill, log: list[Envelope]) -> None:
    """Also a process that was started later drops an event it has."""
    first = stored(log[:100])
    first.close()
    with Store(first.path) as again:
        again.apply([replace(log[50], seq=101)])
        assert again.pending_rows == 0


def test_the_position_goes_past_what_was_skipped(store: Store, log: list[Envelope]) -> None:
    """Messages that were no events count as read."""
    store.apply(log[:10], reached=15)
    store.close()
    with Store(store.path) as again:
        assert again.position == 15


def test_an_event_that_cannot_be_kept_is_handed_back(store: Store, log: list[Envelope]) -> None:
    """The rest of the batch is applied, the one is returned with its reason."""
    at = next(at for at, said in enumerate(log) if isinstance(said.event, RunRequested))
    huge = replace(log[at], event=log[at].event.model_copy(update={"seed": 2**70}))
    refused = store.apply([*log[:at], huge, *log[at + 1 :]])
    assert [(said.seq, store.position) for said, _ in refused] == [(log[at].seq, log[-1].seq)]


def test_text_survives_whatever_it_holds(store: Store, log: list[Envelope]) -> None:
    """Quotes, NUL and characters beyond the basic plane come back as they were."""
    text = 'it\'s "so"; -- \x00 𝛁 \u2028'
    said = replace(log[0], experiment="campaign", event=HumanMessage(kind="steer", text=text))
    store.apply([log[0], replace(said, id="word", seq=2)])
    store.close()
    with Store(store.path) as again:
        assert [word.text for word in again.read_model.campaign(said.campaign).human_messages["steer"]] == [text]


def test_pages_let_go_are_read_again(store: Store, log: list[Envelope]) -> None:
    """Letting go frees what DuckDB holds, and takes nothing from what is known."""
    store.apply(log)
    digest = store.digest()
    store.release_pages()
    assert store.digest() == digest


def test_nothing_is_written_before_commit(store: Store, stored: Fill, log: list[Envelope]) -> None:
    """Rows and position reach the file together or not at all."""
    store.apply(log[:50])
    store.commit()
    store.apply(log[50:])
    copy = store.path.with_name("copy.duckdb")
    for suffix in ("", ".wal"):
        shutil.copy(f"{store.path}{suffix}", f"{copy}{suffix}")
    with Store(copy, read_only=True) as crashed:
        assert (crashed.position, crashed.digest()) == (50, stored(log[:50]).digest())


def test_a_reader_answers_from_a_stopped_labs_file(stored: Fill, log: list[Envelope]) -> None:
    """Opened for reading, the file gives the same answers and takes nothing."""
    writer = stored(log)
    asked = AskExperiments(ids=("e0001",))
    told = answer(writer, None, None, asked)
    writer.close()
    with Store(writer.path, read_only=True) as reader:
        assert answer(reader, None, None, asked) == told


def test_a_file_of_another_shape_is_begun_anew(stored: Fill, log: list[Envelope]) -> None:
    """A version with other tables empties the file; the log fills it again."""
    old = stored(log)
    digest = old.digest()
    old.close()
    with duckdb.connect(str(old.path)) as database:
        database.execute("UPDATE reached SET shape = 'older'")
    with Store(old.path) as new:
        assert new.position == 0
        new.apply(log)
        assert new.digest() == digest


def test_a_reader_says_that_a_file_is_of_another_version(stored: Fill, log: list[Envelope]) -> None:
    """Who only reads can't rebuild, and is told who does."""
    old = stored(log)
    old.close()
    with duckdb.connect(str(old.path)) as database:
        database.execute("UPDATE reached SET shape = 'older'")
    with pytest.raises(ValueError, match="another version"):
        Store(old.path, read_only=True)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    """To read where nothing is gives one line that names the file."""
    with pytest.raises(ValueError, match=r"cannot open .*absent\.duckdb"):
        Store(tmp_path / "absent.duckdb", read_only=True)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    """Something else under that name is left alone and said."""
    file = tmp_path / "memory.duckdb"
    file.write_text("no database")
    with pytest.raises(ValueError, match=r"^cannot open [^\n]*$"):
        Store(file)


def test_kill_at_any_moment_loses_nothing(tmp_path: Path, log: list[Envelope], stored: Fill) -> None:
    """A projector that is killed again and again ends with the digest of one that never was."""
    payloads, file = tmp_path / "log.jsonl", tmp_path / "killed.duckdb"
    payloads.write_bytes(b"\n".join(map(encode, log)))
    for lines in (2, 30, 9):
        with subprocess.Popen(
            [sys.executable, "-c", PROJECT, str(payloads), str(file)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            reached = [int(process.stdout.readline()) for _ in range(lines)]
            process.kill()
        with Store(file) as store:
            assert store.position >= reached[-1]
    subprocess.run([sys.executable, "-c", PROJECT, str(payloads), str(file)], check=True, capture_output=True)
    with Store(file) as store:
        assert store.digest() == stored(log).digest()
