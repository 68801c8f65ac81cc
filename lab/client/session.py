"""A lab to read from, running or not.

A running lab answers over its bus. A stopped one is woken for a moment: its server and its memory start in this process
(no agent, no trainer), memory catches up with the log, and both go when the reader is done.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from bus.delivery.bus import Bus
from bus.nats import server
from bus.nats.micro import survey_services
from bus.nats.transport import NatsTransport
from bus.security import access
from bus.vocabulary.queries import AskExperiments, AskStanding, CampaignStatus, Experiment, Experiments
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection
from lab.home import Home
from lab.runtime import roles
from lab.settings import Settings

PATIENCE_S = 30.0
FULL_PAGE_ROWS = 50
"""Experiments with sources and curves in one reply."""
SHORT_PAGE_ROWS = 1000
"""Experiments without them."""


class LabClient:
    """Asks a lab about one campaign."""

    def __init__(self, bus: Bus, campaign: str, nats_url: str, patience: float = PATIENCE_S) -> None:
        """Read `campaign` over `bus`, waiting at most `patience` seconds for an answer."""
        self._patience = patience
        self.bus = bus
        self.campaign = campaign
        self.nats_url = nats_url

    async def status(self) -> CampaignStatus:
        """Return where the campaign stands."""
        at = await self.bus.newest_position(self._patience)
        return cast("CampaignStatus", await self.bus.ask(AskStanding(campaign=self.campaign, at=at), self._patience))

    async def experiments(self, *ids: str) -> tuple[Experiment, ...]:
        """Return the experiments named, in full, or all of them in short; asked for in pages: a reply is bounded."""
        if ids:
            chunks = [ids[begin : begin + FULL_PAGE_ROWS] for begin in range(0, len(ids), FULL_PAGE_ROWS)]
            return tuple([row for chunk in chunks for row in await self._page(ids=chunk)])
        rows: list[Experiment] = []
        while page := await self._page(after=rows[-1].opened_seq if rows else 0, limit=SHORT_PAGE_ROWS):
            rows += page
        return tuple(rows)

    async def _page(self, **wanted: Any) -> tuple[Experiment, ...]:
        """Return one reply's experiments."""
        at = await self.bus.newest_position(self._patience)
        query = AskExperiments(campaign=self.campaign, at=at, **wanted)
        return cast("Experiments", await self.bus.ask(query, self._patience)).rows

    async def services(self) -> list[dict[str, Any]]:
        """Return how every service that answers is doing."""
        transport = self.bus.transport
        return await survey_services(transport.client) if isinstance(transport, NatsTransport) else []

    async def status_and_experiments(self) -> tuple[CampaignStatus, tuple[Experiment, ...]]:
        """Return the standing and every experiment in full."""
        standing, rows = await self.status(), await self.experiments()
        return standing, await self.experiments(*(row.id for row in rows)) if rows else ()


@asynccontextmanager
async def open_lab(settings: Settings, role: str = access.READER) -> AsyncIterator[LabClient]:
    """Yield a reader of the lab that the settings name, with a role's rights. Raises LabError where there is none."""
    home = Home(settings.home)
    note = home.running()
    if settings.nats:
        campaign = (home.campaign() or {}).get("id", "")
        async with _connected(settings, role, settings.nats, campaign) as reader:
            yield reader
    elif note:
        seeds = home.keys if note.get("embedded") else None
        async with _connected(settings, role, note["nats_url"], note["campaign"], seeds) as reader:
            yield reader
    else:
        async with _woken(home.require_existing(), settings, role) as reader:
            yield reader


@asynccontextmanager
async def _connected(
    settings: Settings, role: str, url: str, campaign: str, seeds: Path | None = None
) -> AsyncIterator[LabClient]:
    """Yield a reader over a server that is there."""
    async with _linked(settings, role, url, seeds) as transport:
        yield LabClient(Bus(transport, role), campaign, url)


@asynccontextmanager
async def _linked(settings: Settings, role: str, url: str, seeds: Path | None) -> AsyncIterator[NatsTransport]:
    """Yield a role's connection to a server that is there."""
    transport = await connection.connect(settings, role, url, seeds=seeds, wait=5.0)
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def _woken(home: Home, settings: Settings, role: str) -> AsyncIterator[LabClient]:
    """Yield a reader of a stopped lab."""
    campaign = str((home.campaign() or {})["id"])
    with home.locked(wait=10.0):
        async with (
            server.run_server(home.nats, home.authorization()) as url,
            _linked(settings, access.ADMIN, url, home.keys) as lab,
            _connected(settings, role, url, campaign, home.keys) as reader,
        ):
            await lab.provision()
            memory = asyncio.create_task(roles.memory(Bus(lab, "memory"), settings))
            try:
                yield reader
            finally:
                await cancel_and_wait(memory)
