"""Memory's declaration as a role: it follows the log, answers queries, and records the log's hash chain."""

import asyncio
import contextlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bus.audit.recorder import ChainRecorder
from bus.delivery.bus import Bus
from bus.delivery.role_spec import RoleSpec, ServiceContext
from bus.delivery.transport import NoAnswer, TransportError
from bus.wire.subjects import LOG

if TYPE_CHECKING:
    from memory.recovery import StoreKeeper
    from memory.retrieval.embedding import Embedder

DATABASE_FILE, CHAIN_FILE = "memory.duckdb", "log.chain"
"""Names of memory's files in its home."""
CHAIN_INTERVAL_S = 0.5
"""Seconds between two readings of the log by the chain recorder; nothing waits for it."""
FINISH_TIMEOUT_S = 1.5
"""Seconds in which memory records the end of the chain when it stops; after 2 s, the lab kills a service."""

log = structlog.get_logger()


async def serve(context: ServiceContext) -> None:
    """Serve memory with the sentence model, which is loaded once there is a text to embed."""
    from memory.retrieval.embedding import SentenceEmbedder

    await serve_memory(context.bus, context.home, SentenceEmbedder())


async def serve_memory(bus: Bus, home: Path, embedder: "Embedder") -> None:
    """Follow the log into the database of a home and answer queries, until cancelled. Raises MemoryFault."""
    from memory.recovery import StoreKeeper

    home.mkdir(parents=True, exist_ok=True)
    with closing(StoreKeeper(home / DATABASE_FILE)) as keeper, closing(ChainRecorder(home / CHAIN_FILE)) as recorder:
        bus.vitals.measure_lag = lambda: max(0, recorder.position - keeper.store.position)
        fitted = asyncio.Event()
        recording = asyncio.create_task(_record_chain(bus, recorder, fitted))
        try:
            await _serve_store(bus, keeper, embedder)
        finally:
            await _finish_recording(bus, recording, recorder, fitted, keeper.store.position)


async def _serve_store(bus: Bus, keeper: "StoreKeeper", embedder: "Embedder") -> None:
    """Serve memory from the store, and again from a new one each time that it proves damaged. Raises MemoryFault."""
    from memory.faults import DatabaseDamaged
    from memory.service import MemoryService

    while True:
        try:
            await MemoryService(bus, keeper.store, embedder).run()
        except DatabaseDamaged as fault:
            keeper.replace(fault)


async def _record_chain(bus: Bus, recorder: ChainRecorder, fitted: asyncio.Event) -> None:
    """Record the hash of every message, and set `fitted` once the chain is known to fit the log.

    Memory may read the log again from the start; the recorder never does.
    """
    try:
        while True:
            connection = bus.transport.reconnects
            await _fit_chain(bus, recorder)
            fitted.set()
            async for batch in bus.follow(after=recorder.position, batch_delay=CHAIN_INTERVAL_S):
                if bus.transport.reconnects != connection:
                    break  # the server may have lost messages
                recorder.record(batch)
    except OSError as error:
        log.error("stopped recording the hash chain", reason=error.strerror)


async def _fit_chain(bus: Bus, recorder: ChainRecorder) -> None:
    """Compare the chain's end with the log, and record it again from the last link that fits. Raises OSError."""
    while True:
        with contextlib.suppress(NoAnswer):
            if not recorder.fits(await bus.message_at(recorder.position) if recorder.position else None):
                recorder.restart(await bus.whole_log())
            return
        await asyncio.sleep(CHAIN_INTERVAL_S)


async def _finish_recording(
    bus: Bus, recording: asyncio.Task[None], recorder: ChainRecorder, fitted: asyncio.Event, position: int
) -> None:
    """End the recorder, and record the rest up to the position that memory has read at once, without an interval.

    A chain that fits is not compared again: an archive may just have taken the message of its last link.
    """
    if recording.done():
        return  # the chain can't be written
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)
    with contextlib.suppress(TimeoutError, TransportError, OSError):
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            if not fitted.is_set():
                await _fit_chain(bus, recorder)
            while recorder.position < position and (batch := await bus.transport.read(LOG, recorder.position)):
                recorder.record(batch)


SPEC = RoleSpec(
    name="memory",
    summary="follows the log, answers queries and records the hash chain",
    answers=True,
    follows=(LOG,),
    serve=serve,
)
