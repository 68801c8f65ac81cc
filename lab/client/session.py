"""Sessions: a lab to read from, running or stopped.

A running lab answers over its bus. For a stopped one, its server and its memory start in this process (no agent, no
trainer), memory catches up with the log, and both end with the session.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from bus.delivery.bus import Bus
from bus.nats import server
from bus.nats.micro import survey_services
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.vocabulary.queries import (
    AskCampaigns,
    AskCampaignStatus,
    AskExperiments,
    Campaigns,
    CampaignStatus,
    Experiment,
    Experiments,
)
from bus.wire.ids import has_name
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection
from lab.errors import LabError
from lab.home import Home
from lab.settings import Settings
from memory.role import serve_memory

PATIENCE_S = 30.0
FULL_PAGE_ROWS = 50
"""Experiments with sources and curves in one reply."""
SHORT_PAGE_ROWS = 1000
"""Experiments without them."""


class LabClient:
    """Reads one campaign of a lab."""

    def __init__(self, bus: Bus, campaign: str, nats_url: str, patience: float = PATIENCE_S, person: str = "") -> None:
        """Read `campaign` over `bus`, waiting at most `patience` seconds for an answer."""
        self._patience = patience
        self.bus = bus
        self.campaign = campaign
        self.nats_url = nats_url
        self.person = person
        """Whose key it is; '' for a role's, a client's and the owner's."""

    async def status(self) -> CampaignStatus:
        """Return the state of the campaign."""
        at = await self.bus.newest_position(self._patience)
        query = AskCampaignStatus(campaign=self.campaign, at=at)
        return cast("CampaignStatus", await self.bus.ask(query, self._patience))

    async def experiments(self, *ids: str) -> tuple[Experiment, ...]:
        """Return the experiments named, in full, or all of them in short form; pages keep replies bounded."""
        if ids:
            pages = [ids[first : first + FULL_PAGE_ROWS] for first in range(0, len(ids), FULL_PAGE_ROWS)]
            return tuple([row for page in pages for row in await self._page(ids=page)])
        rows: list[Experiment] = []
        while page := await self._page(after=rows[-1].opened_seq if rows else 0, limit=SHORT_PAGE_ROWS):
            rows += page
        return tuple(rows)

    async def _page(self, **options: Any) -> tuple[Experiment, ...]:
        """Return one reply's experiments."""
        at = await self.bus.newest_position(self._patience)
        query = AskExperiments(campaign=self.campaign, at=at, **options)
        return cast("Experiments", await self.bus.ask(query, self._patience)).rows

    async def campaigns(self) -> tuple[CampaignStatus, ...]:
        """Return the state of every campaign, in the order of their starts."""
        at = await self.bus.newest_position(self._patience)
        return cast("Campaigns", await self.bus.ask(AskCampaigns(at=at), self._patience)).rows

    async def choose(self, name: str) -> None:
        """Read the campaign that a person means by a name or an id. Raises LabError."""
        known = [status.campaign for status in await self.campaigns()]
        meant = [name] if name in known else [campaign for campaign in known if has_name(campaign, name)]
        if len(meant) != 1:
            fault = f"{name} is the name of {', '.join(meant)}" if meant else f"the log holds no campaign {name}"
            raise LabError(f"{fault}; hint: move37 campaigns lists the ids")
        self.campaign = meant[0]

    async def services(self) -> list[dict[str, Any]]:
        """Return the vitals of every service that answers."""
        transport = self.bus.transport
        return await survey_services(transport.client) if isinstance(transport, NatsTransport) else []

    async def status_and_experiments(self) -> tuple[CampaignStatus, tuple[Experiment, ...]]:
        """Return the state of the campaign and every experiment in full."""
        status, rows = await self.status(), await self.experiments()
        return status, await self.experiments(*(row.id for row in rows)) if rows else ()


@asynccontextmanager
async def open_lab(settings: Settings, role: str = access.READER) -> AsyncIterator[LabClient]:
    """Yield a client of the lab that the settings name, with a role's rights. Raises LabError if there is none.

    It reads the campaign that the settings name, by default the home's newest. Over a server, a person's key can't ask
    for the campaigns, so the client of a campaign that this home does not know has an empty `campaign`.
    """
    home = Home(settings.home)
    campaign = str((home.campaign(settings.campaign) or {}).get("id", ""))
    async with _open(settings, role, home, campaign) as client:
        if settings.campaign and not campaign and role != access.HUMAN:
            await client.choose(settings.campaign)
        yield client


def _open(settings: Settings, role: str, home: Home, campaign: str) -> AbstractAsyncContextManager[LabClient]:
    """Return a client of the named server, of the lab running in the home, or of the one that has stopped there."""
    if settings.nats:
        return _client(settings, role, settings.nats, campaign)
    if note := home.running():
        seeds = home.keys if note.get("embedded") else None
        return _client(settings, role, note["nats_url"], campaign or note["campaign"], seeds)
    return _client_of_stopped_lab(home.require_existing(), settings, role, campaign)


@asynccontextmanager
async def _client(
    settings: Settings, role: str, url: str, campaign: str, seeds: Path | None = None
) -> AsyncIterator[LabClient]:
    """Yield a client over a running server."""
    async with _transport(settings, role, url, seeds) as transport:
        person = access.person_of(connection.identify(settings, role, seeds).role)
        yield LabClient(Bus(transport, role), campaign, url, person=person)


@asynccontextmanager
async def _transport(settings: Settings, role: str, url: str, seeds: Path | None) -> AsyncIterator[NatsTransport]:
    """Yield a role's connection to a running server."""
    transport = await connection.connect(settings, role, url, seeds=seeds, wait=5.0)
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def _client_of_stopped_lab(home: Home, settings: Settings, role: str, campaign: str) -> AsyncIterator[LabClient]:
    """Start a stopped lab's server and memory and yield a client of it."""
    with home.locked(wait=10.0):
        async with (
            server.run_server(home.nats, home.authorization()) as url,
            _transport(settings, access.ADMIN, url, home.keys) as admin,
            _client(settings, role, url, campaign, home.keys) as client,
        ):
            await admin.provision()
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
