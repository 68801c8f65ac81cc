"""Sessions: a lab to read from, running or stopped.

A running lab answers over its bus. For a stopped one, its server and its memory start in this process (no agent, no
trainer), memory catches up with the log, and both end with the session.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bus.delivery.bus import Bus
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection, waiting
from lab.client.lab_client import LabClient
from lab.client.lost_tail import reread_after_loss
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings
from memory.role import serve_memory

LOCK_RETRY_DELAY_S = 0.1


@asynccontextmanager
async def open_lab(settings: Settings, role: str = access.READER) -> AsyncIterator[LabClient]:
    """Yield a client of the lab that the settings name, with a role's rights. Raises LabError if there is none.

    It reads the campaign that the settings name, by default the home's newest. The key of the owner
    (`access.HUMAN`) can't ask for the campaigns: its client of a campaign that this home does not know has an empty
    `campaign`.
    """
    home = Home(settings.home)
    campaign = str((home.campaign(settings.campaign) or {}).get("id", ""))
    async with _open(settings, role, home, campaign) as client:
        if settings.campaign and not campaign and role != access.HUMAN:
            await client.choose(settings.campaign)
        yield client


@asynccontextmanager
async def _open(settings: Settings, role: str, home: Home, campaign: str) -> AsyncIterator[LabClient]:
    """Yield a client of the named server, of the lab running in the home, or of the one that has stopped there."""
    async with AsyncExitStack() as stack:
        if settings.nats:
            session = _client(settings, role, settings.nats, campaign)
        elif note := home.running() or await _running_or_locked(home.require_existing(), settings.patience, stack):
            seeds = home.keys if note.get("embedded") else None
            session = _client(settings, role, note["nats_url"], campaign or note["campaign"], seeds)
        else:
            session = _client_of_stopped_lab(home, settings, role, campaign)
        yield await stack.enter_async_context(session)


async def _running_or_locked(home: Home, patience: float, stack: AsyncExitStack) -> dict[str, Any] | None:
    """Return the note of the lab that runs by now, or None once `stack` holds the home's lock. Raises LabError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    with waiting.announced(f"{home.root}, which another command uses", patience):
        while not (note := home.running()):
            try:
                stack.enter_context(home.locked())
            except LabError:
                if loop.time() >= deadline:
                    raise
                await asyncio.sleep(LOCK_RETRY_DELAY_S)
            else:
                return None
    return note


@asynccontextmanager
async def _client(
    settings: Settings, role: str, url: str, campaign: str, seeds: Path | None = None
) -> AsyncIterator[LabClient]:
    """Yield a client over a running server."""
    async with _transport(settings, role, url, seeds) as transport:
        person = access.person_of(connection.identify(settings, role, seeds).role)
        yield LabClient(Bus(transport, role), campaign, url, settings.patience, announce=True, person=person)


@asynccontextmanager
async def _transport(settings: Settings, role: str, url: str, seeds: Path | None) -> AsyncIterator[NatsTransport]:
    """Yield a role's connection to a running server."""
    with waiting.announced(f"the NATS server at {connection.redact_url(url)}", settings.patience):
        transport = await connection.connect(settings, role, url, seeds=seeds)
    transport.patience = settings.patience
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def _client_of_stopped_lab(home: Home, settings: Settings, role: str, campaign: str) -> AsyncIterator[LabClient]:
    """Start the server and the memory of a stopped lab, whose home is locked, and yield a client of it."""
    async with (
        server.run_server(home.nats, home.authorization(), settings.patience) as url,
        _transport(settings, access.ADMIN, url, home.keys) as admin,
        _client(settings, role, url, campaign, home.keys) as client,
    ):
        await admin.provision(patience=settings.patience)
        await reread_after_loss(admin, Bus(admin, access.ADMIN), home.chain)  # memory's recorder cuts such a chain
        async with _memory_of(Bus(admin, "memory"), home):
            yield client


@asynccontextmanager
async def _memory_of(bus: Bus, home: Home) -> AsyncIterator[None]:
    """Serve a stopped lab's memory during the context; if it fails, end the context with its error."""
    from memory.retrieval.embedding import SentenceEmbedder

    user = asyncio.current_task()
    assert user is not None
    memory = asyncio.create_task(serve_memory(bus, home.root, SentenceEmbedder()))
    memory.add_done_callback(lambda task: None if task.cancelled() else user.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if memory.done() and not memory.cancelled() and (fault := memory.exception()):
            user.uncancel()
            raise fault from None
        raise
    finally:
        await cancel_and_wait(memory)
