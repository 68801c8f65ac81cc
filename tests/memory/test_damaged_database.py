"""A database that is damaged, of another version or not of this log is set aside and rebuilt from the log."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import duckdb
import pytest
import structlog

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.queries import AskCampaignStatus, AskExperiments, CampaignStatus
from bus.wire import subjects
from bus.wire.envelope import Envelope, encode
from memory import recovery, service
from memory.faults import DatabaseDamaged, DatabaseInUse, MemoryFault, fault_of
from memory.recovery import StoreKeeper
from memory.retrieval.embedding import HashEmbedder
from memory.role import DATABASE_FILE, serve_memory
from memory.store import Store
from tests.support.database_holder import held


async def publish(transport: MemoryTransport, log: Sequence[Envelope]) -> None:
    """Publish events."""
    for envelope in log:
        await transport.publish(subjects.event_subject(envelope), encode(envelope), envelope.id)


def write_database(path: Path, log: Sequence[Envelope]) -> None:
    """Write the memory of a log that was read over a bus."""

    async def read() -> None:
        transport = MemoryTransport()
        await publish(transport, log)
        async with serving(transport, path.parent) as bus:
            await bus.ask(AskCampaignStatus(at=len(log)))

    asyncio.run(read())


@contextlib.asynccontextmanager
async def serving(transport: MemoryTransport, home: Path) -> AsyncIterator[Bus]:
    """Serve memory from a home during the test; yields the bus of a role that asks it."""
    task = asyncio.create_task(serve_memory(Bus(transport, "memory"), home, HashEmbedder()))
    try:
        yield Bus(transport, "analyst")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def digest_of(log: Sequence[Envelope], path: Path) -> str:
    """Return the digest of a memory that read a log and nothing else."""
    with Store(path) as store:
        store.apply(log)
        return store.digest()


def set_aside_files(home: Path) -> list[str]:
    """Return the names of the database's files that were set aside; the chain heals itself."""
    return sorted(file.name for file in home.glob(f"{DATABASE_FILE}*.bad-*"))


def garbage(path: Path) -> None:
    """Replace the file by text."""
    path.write_text("no database")


def cut_short(path: Path) -> None:
    """Cut the file in two."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    """Leave an empty file."""
    path.write_bytes(b"")


def bad_page(path: Path) -> None:
    """Overwrite a page of the catalogue."""
    content = bytearray(path.read_bytes())
    content[20_000:20_064] = b"\xff" * 64
    path.write_bytes(bytes(content))


def other_storage(path: Path) -> None:
    """Let the file begin like that of a DuckDB with another format."""
    content = bytearray(path.read_bytes())
    content[12:20] = (70).to_bytes(8, "little")
    path.write_bytes(bytes(content))


def other_tables(path: Path) -> None:
    """Let the file say that it was written by another version of memory."""
    with duckdb.connect(str(path)) as database:
        database.execute("UPDATE reached SET shape = 'older'")


def odd_rows(path: Path) -> None:
    """Give a row a value that memory never writes."""
    with duckdb.connect(str(path)) as database:
        database.execute("UPDATE events SET campaign = NULL")


DAMAGES = (garbage, cut_short, emptied, bad_page, other_storage, other_tables, odd_rows)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_file_is_set_aside_and_rebuilt(
    tmp_path: Path, log: list[Envelope], damage: Callable[[Path], None]
) -> None:
    """Memory answers from the log, the old file is kept, and one line says why."""
    path, transport = tmp_path / DATABASE_FILE, MemoryTransport()
    await asyncio.to_thread(write_database, path, log)
    damage(path)
    await publish(transport, log)
    with structlog.testing.capture_logs() as lines:
        async with serving(transport, tmp_path) as bus:
            reply = await bus.ask(AskCampaignStatus())
    assert isinstance(reply, CampaignStatus)
    assert reply.last_seq == len(log)
    said = [line for line in lines if line["event"] == "memory is rebuilt from the log"]
    assert [line["set_aside"] for line in said] == set_aside_files(tmp_path)
    assert len(said) == 1
    with Store(path) as store:
        assert store.digest() == digest_of(log, tmp_path / "own.duckdb")


def test_a_damaged_wal_goes_with_its_file(tmp_path: Path, log: list[Envelope]) -> None:
    """It would spoil the next file of that name."""
    path = tmp_path / DATABASE_FILE
    path.write_text("no database")
    path.with_name(f"{DATABASE_FILE}.wal").write_bytes(b"no wal")
    keeper = StoreKeeper(path)
    keeper.store.apply(log)
    keeper.close()
    kept, wal = set_aside_files(tmp_path)
    assert re.fullmatch(rf"{DATABASE_FILE}\.bad-\d{{8}}T\d{{6}}Z", kept)
    assert wal == f"{kept}.wal"


async def test_damage_that_a_query_finds_is_healed_while_memory_runs(
    tmp_path: Path, log: list[Envelope], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The asker waits, and gets its answer from the new file."""
    path, transport = tmp_path / DATABASE_FILE, MemoryTransport()
    await asyncio.to_thread(write_database, path, log)
    await publish(transport, log)
    name = next(envelope.experiment for envelope in log if envelope.type == "AnalysisReady")
    async with serving(transport, tmp_path) as bus:
        await bus.ask(AskCampaignStatus())
        assert set_aside_files(tmp_path) == []
        _break_reads_of_this_file(monkeypatch)
        reply = await bus.ask(AskExperiments(ids=(name,)))
    assert [row.id for row in reply.rows] == [name]  # type: ignore[attr-defined]
    assert len(set_aside_files(tmp_path)) == 1


def _break_reads_of_this_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next read fail as DuckDB does at a bad page, until another file is opened."""
    read, opened = Store._select, recovery.Store

    def failing(store: Store, *arguments: object) -> object:
        with store._reporting("read"):
            raise duckdb.IOException("Corrupt database file: computed checksum 1 does not match stored checksum 2")

    def reopen(path: Path) -> Store:
        monkeypatch.setattr(Store, "_select", read)
        return opened(path)

    monkeypatch.setattr(Store, "_select", failing)
    monkeypatch.setattr(recovery, "Store", reopen)


@pytest.mark.parametrize("regrown", [False, True], ids=["shorter", "regrown"])
@pytest.mark.parametrize("running", [False, True], ids=["at start", "while running"])
async def test_a_log_that_lost_its_tail_is_read_again(
    tmp_path: Path, log: list[Envelope], monkeypatch: pytest.MonkeyPatch, regrown: bool, running: bool
) -> None:
    """The server came back without its last messages: memory forgets them, whether or not others took their place."""
    monkeypatch.setattr(service, "COMPARE_INTERVAL_S", 0.01)
    path, transport = tmp_path / DATABASE_FILE, MemoryTransport()
    rest = [*log[:90], *log[95:120]] if regrown else log[:90]
    if running:
        await publish(transport, log[:100])
        async with serving(transport, tmp_path) as bus:
            await bus.ask(AskCampaignStatus(at=100))
            _lose(transport, 90)
            await publish(transport, rest[90:])
            async with asyncio.timeout(5):
                while not set_aside_files(tmp_path):
                    await asyncio.sleep(0.01)
            await bus.ask(AskCampaignStatus(at=len(rest)))
    else:
        await asyncio.to_thread(write_database, path, log[:100])
        await publish(transport, rest)
        async with serving(transport, tmp_path) as bus:
            await bus.ask(AskCampaignStatus(at=len(rest)))
    assert len(set_aside_files(tmp_path)) == 1
    moved = [envelope.at_position(seq) for seq, envelope in enumerate(rest, 1)]
    with Store(path) as store:
        assert store.digest() == digest_of(moved, tmp_path / "own.duckdb")


def _lose(transport: MemoryTransport, end: int) -> None:
    """Let the log forget every message after a position."""
    stream = transport._streams[subjects.LOG]
    del stream.messages[end:]
    stream.ids.clear()
    stream.last.clear()
    transport.reconnects += 1


def test_a_file_that_another_process_holds_is_one_line_with_its_pid(tmp_path: Path) -> None:
    """It is not damaged, so it stays where it is."""
    path = tmp_path / DATABASE_FILE
    with (
        held(path) as pid,
        pytest.raises(DatabaseInUse, match=rf"^[^\n]* is held by process {pid} \(python[^\n]*$"),
    ):
        StoreKeeper(path)
    assert set_aside_files(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        'IO Error: Could not write file "memory.duckdb": No space left on device',
        'IO Error: Cannot open file "memory.duckdb": Permission denied',
        "Out of Memory Error: could not allocate block of size 256.0 KiB",
    ],
)
def test_a_fault_of_the_host_damages_nothing(text: str) -> None:
    """Such a file is not set aside: memory ends with one line, and a person makes room."""
    fault = fault_of(Path("memory.duckdb"), "write", duckdb.IOException(text))
    assert isinstance(fault, MemoryFault)
    assert not isinstance(fault, DatabaseDamaged)


def test_a_disk_that_damages_every_file_ends_memory(tmp_path: Path) -> None:
    """It does not fill up with files that were set aside."""
    keeper = StoreKeeper(tmp_path / DATABASE_FILE)
    fault = DatabaseDamaged("cannot read memory.duckdb: bad page")
    for _ in range(recovery.MAX_REPLACEMENTS):
        keeper.replace(fault)
    with pytest.raises(MemoryFault, match="hint: check the disk"):
        keeper.replace(fault)
    assert len(set_aside_files(tmp_path)) == recovery.MAX_REPLACEMENTS
    keeper.close()
