"""A client of one campaign: what memory, the log and the services answer about it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

from agents.analysis.evidence.arm_rates import compare_arms
from bus.delivery.bus import Bus
from bus.delivery.query_replies import MemoryBehind
from bus.delivery.transport import NoAnswer
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import Record
from bus.vocabulary.queries import (
    AskArms,
    AskCampaigns,
    AskCampaignStatus,
    AskExperiments,
    AskForecastErrors,
    AskFormulas,
    AskSql,
    AskUnitEffects,
    AskVerification,
    Campaigns,
    CampaignStatus,
    Experiment,
    Experiments,
    ForecastErrors,
    FormulaRecords,
    Query,
    ResultsByArm,
    SqlRows,
    UnitEffects,
    Verification,
)
from bus.wire import subjects
from bus.wire.ids import has_name
from bus.wire.stored_message import StoredMessage
from dashboard.report.results import CampaignResults
from lab.client import waiting
from lab.client.staff import RollCall, Staff
from lab.errors import LabError
from lab.nearest_name import hint_of

PATIENCE_S = 30.0
FULL_PAGE_ROWS = 50
"""Experiments with sources and curves in one reply."""
SHORT_PAGE_ROWS = 1000
"""Experiments without them."""


@dataclass
class LabClient:
    """Reads one campaign of a lab, as it is or as it was after a position of the log.

    All methods raise NoAnswer, whose text says what did not come.
    """

    bus: Bus
    campaign: str
    """Its id; empty for the newest."""
    nats_url: str
    patience: float = PATIENCE_S
    """Seconds to wait for an answer at most."""
    announce: bool = False
    """Whether to tell a person what is waited for."""
    person: str = ""
    """Whose key it is; '' for a role's, a client's and the owner's."""
    at: int = 0
    """Position of the log as of which everything is read; 0 for the newest one, at every call."""

    async def as_of(self, position: int | None = None) -> "LabClient":
        """Return a client that reads as of a position, by default today's newest: all its answers agree.

        Raises LabError for a position that the log does not have yet.
        """
        newest = await self.last_position()
        if position and position > newest:
            raise LabError(f"the log has no position {position} yet; hint: its last position is {newest}")
        return replace(self, at=position or newest)

    async def _position(self) -> int:
        return self.at or await self.last_position()

    async def status(self) -> CampaignStatus:
        """Return the state of the campaign."""
        query = AskCampaignStatus(campaign=self.campaign, at=await self._position())
        return cast("CampaignStatus", await self._ask(query))

    async def unit_effects(self) -> UnitEffects:
        """Return what each unit is worth, judging by the whole campaign."""
        query = AskUnitEffects(campaign=self.campaign, at=await self._position())
        return cast("UnitEffects", await self._ask(query))

    async def forecast_errors(self) -> ForecastErrors:
        """Return how far the campaign's designs lie from the forecasts that chose them."""
        query = AskForecastErrors(campaign=self.campaign, at=await self._position())
        return cast("ForecastErrors", await self._ask(query))

    async def formulas(self) -> FormulaRecords:
        """Return the campaign's formulas, and what they did in designs that lacked them."""
        query = AskFormulas(campaign=self.campaign, at=await self._position())
        return cast("FormulaRecords", await self._ask(query))

    async def claims(self, status: CampaignStatus) -> Verification | None:
        """Return how far verification is; None if the campaign verifies nothing."""
        if status.started is None or status.started.verification is None:
            return None
        query = AskVerification(campaign=self.campaign, at=await self._position())
        return cast("Verification", await self._ask(query))

    async def arms(self, status: CampaignStatus) -> ResultsByArm | None:
        """Return the results by arm; None if the campaign has no control arms."""
        if status.started is None or not status.started.arms:
            return None
        return cast("ResultsByArm", await self._ask(AskArms(campaign=self.campaign, at=await self._position())))

    async def experiments(self, *ids: str) -> tuple[Experiment, ...]:
        """Return the experiments named, in full, or all of them in short form; pages keep replies bounded."""
        if ids:
            pages = [ids[first : first + FULL_PAGE_ROWS] for first in range(0, len(ids), FULL_PAGE_ROWS)]
            return tuple([row for page in pages for row in await self._page(ids=page)])
        rows: list[Experiment] = []
        while page := await self._page(after=rows[-1].opened_seq if rows else 0, limit=SHORT_PAGE_ROWS):
            rows += page
        return tuple(rows)

    async def sql(self, statement: str, limit: int) -> SqlRows:
        """Return what a SELECT returns. Raises QueryRefused with its fault."""
        query = AskSql(statement=statement, limit=limit, at=await self._position())
        return cast("SqlRows", await self._ask(query))

    async def _page(self, **options: Any) -> tuple[Experiment, ...]:
        """Return one reply's experiments."""
        query = AskExperiments(campaign=self.campaign, at=await self._position(), **options)
        return cast("Experiments", await self._ask(query)).rows

    async def _ask(self, query: Query) -> Record:
        """Return memory's answer."""
        async with self._waiting_for("memory's answer"):
            return await self.bus.ask(query, self.patience)

    async def last_position(self, stream: str = subjects.LOG) -> int:
        """Return the position of the newest message of a stream, 0 if it is empty."""
        async with self._waiting_for(f"the server's answer about {stream}"):
            return await self.bus.newest_position(self.patience, stream)

    async def messages(self, stream: str = subjects.LOG) -> AsyncIterator[Sequence[StoredMessage]]:
        """Yield the messages that a stream holds now, oldest first, in batches."""
        end, last = await self.last_position(stream), 0
        batches = self.bus.transport.follow(stream, 0)
        while last < end:
            async with self._waiting_for(f"the messages of {stream} after position {last}"):
                async with asyncio.timeout(self.patience):
                    batch = await anext(batches)
            yield batch
            last = batch[-1].seq

    @asynccontextmanager
    async def _waiting_for(self, what: str) -> AsyncIterator[None]:
        """Announce a wait if a person wants to know. Raises NoAnswer, which says what did not come and what to do."""
        try:
            with waiting.announced(what, self.patience) if self.announce else nullcontext():
                yield
        except (NoAnswer, MemoryBehind, TimeoutError) as error:
            reason = f" ({error})" if str(error) else ""
            raise NoAnswer(
                f"{what} did not come within {self.patience:g} s{reason}; hint: wait longer with --patience"
            ) from None

    async def campaigns(self) -> tuple[CampaignStatus, ...]:
        """Return the state of every campaign, in the order of their starts."""
        return cast("Campaigns", await self._ask(AskCampaigns(at=await self._position()))).rows

    async def choose(self, name: str) -> None:
        """Read the campaign that a person means by a name or an id. Raises LabError."""
        known = [status.campaign for status in await self.campaigns()]
        meant = [name] if name in known else [campaign for campaign in known if has_name(campaign, name)]
        if len(meant) != 1:
            listing = "move37 campaigns lists the ids"
            if meant:
                raise LabError(f"{name} is the name of {', '.join(meant)}; hint: {listing}")
            raise LabError(f"the log holds no campaign {name}; {hint_of(name, known, listing)}")
        self.campaign = meant[0]

    async def length(self, stream: str) -> int:
        """Return the newest position of a stream; 0 if there is no such stream yet."""
        transport = self.bus.transport
        if isinstance(transport, NatsTransport) and not await transport.has_stream(stream):
            return 0
        return await self.last_position(stream)

    async def roll_call(self, staff: Staff | None = None) -> RollCall:
        """Return which services answer, and which needed roles have none; `staff` remembers earlier calls."""
        assert isinstance(self.bus.transport, NatsTransport), "a lab of many processes runs on NATS"
        return await (staff or Staff()).call(self.bus.transport)

    async def results(self) -> CampaignResults:
        """Return everything that a report is made of, all as of one position."""
        if not self.at:
            return await (await self.as_of()).results()
        status, rows = await self.status(), await self.experiments()
        experiments = await self.experiments(*(row.id for row in rows)) if rows else ()
        effects, forecasts = await self.unit_effects(), await self.forecast_errors()
        claims, arms = await self.claims(status), await self.arms(status)
        compared = tuple(one.sentence() for one in compare_arms(arms)) if arms else ()
        return CampaignResults(status, experiments, effects, forecasts, claims, arms, compared)
