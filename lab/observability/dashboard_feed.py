"""Feeds the dashboard: follows the log and the losses, asks memory what has changed, and shows it now and then.

It looks on and says nothing. The newest campaign is shown; when another begins, that one is.
"""

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import replace

import structlog

from bus.delivery.bus import Bus, QueryRefused
from bus.delivery.transport import TransportError
from bus.vocabulary.events import CampaignStarted, HumanMessage, LossPoint
from bus.vocabulary.queries import CampaignStatus, Experiment
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN
from dashboard import curves
from dashboard.live import LiveSnapshot, SlotView
from dashboard.report import render_report
from dashboard.scores import Scores
from dashboard.site import Board, Site
from lab.client.campaign_view import CampaignView, ExperimentRow
from lab.client.event_text import event_sentence
from lab.client.session import LabClient
from lab.errors import LabError

FEED_INTERVAL_S = 0.5
"""Seconds between two pictures."""
MAX_EVENTS_SHOWN = 100
"""Newest events that are shown."""
MAX_READINGS = 20_000
"""Loss points before ours that are read for the curves of runs under way."""
REPORT_TIMEOUT_S = 60.0

log = structlog.get_logger()


class DashboardFeed:
    """Watches a lab for all browsers together."""

    def __init__(self, bus: Bus) -> None:
        """Watch over `bus`."""
        self._bus, self._board = bus, Board()
        self._changed, self._ready = asyncio.Event(), asyncio.Event()
        self._begin("")

    def _begin(self, campaign: str) -> None:
        """Show another campaign, of which nothing is known yet."""
        self._view, self._reader = CampaignView(campaign), LabClient(self._bus, campaign, "")
        self._said: deque[tuple[int, str]] = deque(maxlen=MAX_EVENTS_SHOWN)
        self._rows: dict[str, Experiment] = {}
        self._experiments: tuple[Experiment, ...] = ()
        self._stale: set[str] = set()
        """Experiments of which something has been said since memory was asked."""
        self._listed = False
        self._drawn: set[str] = set()
        """Experiments that were asked for with their curves."""

    async def serve(self, host: str, port: int) -> None:
        """Serve the page until cancelled. Raises LabError where the address is taken."""
        loop = asyncio.get_running_loop()

        def report() -> str:
            return asyncio.run_coroutine_threadsafe(self._report(), loop).result(REPORT_TIMEOUT_S)

        try:
            site = Site(host, port, self._board, report)
        except OSError as error:
            raise LabError(f"can't listen on {host}:{port}: {error.strerror}") from None
        serving = threading.Thread(target=site.serve_forever, daemon=True)
        serving.start()
        log.info("the dashboard is there", url=site.url)
        try:
            await self._watch()
        finally:
            self._board.close()
            await asyncio.to_thread(site.shutdown)
            site.server_close()

    async def _watch(self) -> None:
        """Follow log and losses, and show what they come to."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._points())
            group.create_task(self._show())

    async def _follow(self) -> None:
        """Take in the log; the first picture is of all that it held when we came."""
        came = await self._bus.transport.last_seq(subjects.LOG)
        if not came:
            self._ready.set()
        async for batch in self._bus.follow():
            for stored in batch:
                with suppress(MalformedMessage):
                    self._hear(subjects.decode_event(stored))
            if batch[-1].seq >= came:
                self._ready.set()
            self._changed.set()

    def _hear(self, envelope: Envelope) -> None:
        """Take in an event of the campaign that is shown."""
        if isinstance(envelope.event, CampaignStarted) and envelope.campaign != self._view.campaign:
            self._begin(envelope.campaign)
        if envelope.campaign != self._view.campaign:
            return
        self._view.apply(envelope)
        self._said.appendleft((envelope.seq, event_sentence(envelope)))
        about = envelope.event.target if isinstance(envelope.event, HumanMessage) else envelope.experiment
        if about and about != CAMPAIGN:
            self._stale.add(about)

    async def _points(self) -> None:
        """Take in the losses of runs, from a little before we came."""
        await self._ready.wait()
        after = max(0, await self._bus.transport.last_seq(subjects.METRICS) - MAX_READINGS)
        async for batch in self._bus.transport.follow(subjects.METRICS, after):
            for stored in batch:
                with suppress(MalformedMessage):
                    said = subjects.decode_event(stored)
                    if isinstance(said.event, LossPoint) and said.campaign == self._view.campaign:
                        self._view.point(said.event)
            self._changed.set()

    async def _show(self) -> None:
        """Show what has changed, at a pace that eyes can follow; what memory does not answer is asked again."""
        await self._ready.wait()
        now = LiveSnapshot(CampaignStatus())
        while True:
            self._changed.clear()
            try:
                now = await self._picture()
            except (TransportError, QueryRefused) as error:
                log.warning("memory does not answer", reason=str(error))
                now = replace(now, silent=True)
                self._changed.set()
            self._board.show(now)
            await asyncio.sleep(FEED_INTERVAL_S)
            await self._changed.wait()

    async def _picture(self) -> LiveSnapshot:
        """Return what there is to show. Raises TransportError, Refused."""
        await self._learn()
        view = self._view
        return LiveSnapshot(
            standing=await self._reader.status(),
            experiments=self._experiments,
            slots=[] if view.finished else [_slot(row) for row in view.open_rows()],
            said=tuple(self._said),
            ended=view.ended(),
            total=view.total(),
            per_minute=view.events_per_minute(),
            seconds_left=view.seconds_left(),
            counts=dict(view.counts),
        )

    async def _learn(self) -> None:
        """Ask for what has changed: at first for all in short, then for single ones."""
        asked, self._stale = self._stale, set()
        try:
            if asked or not self._listed:
                await self._ask(*(asked if self._listed else ()))
                self._listed = True
            if missing := self._curveless():
                await self._ask(*missing)
                self._drawn.update(missing)
        except (TransportError, QueryRefused):
            self._stale |= asked
            raise

    async def _ask(self, *ids: str) -> None:
        """Keep what memory says of experiments, long texts left out; nothing where another campaign began meanwhile."""
        reader = self._reader
        rows = await reader.experiments(*ids)
        if reader is not self._reader:
            return
        self._rows |= {row.id: row.model_copy(update={"source": "", "design": None}) for row in rows}
        self._experiments = tuple(sorted(self._rows.values(), key=lambda row: row.opened_seq))

    def _curveless(self) -> tuple[str, ...]:
        """Return the experiments whose curves are drawn and have not been asked for: listings come without."""
        scores = Scores(self._experiments)
        drawn = (*scores.baselines, *scores.candidates[: curves.MAX_COLOURED_CURVES])
        return tuple(row.id for row in drawn if not row.curve and row.id not in self._drawn)

    async def _report(self) -> str:
        """Return the report of now. Raises OSError where memory does not answer."""
        try:
            standing, experiments = await self._reader.status_and_experiments()
        except (TransportError, QueryRefused) as error:
            raise OSError(str(error)) from None
        sandbox = standing.started.sandbox if standing.started else ""
        return render_report(
            standing, experiments, started=None, ended=None, events=dict(self._view.counts), sandbox=sandbox
        )


def _slot(row: ExperimentRow) -> SlotView:
    """Return an experiment under way as it is shown."""
    return SlotView(row.id, row.name, row.stage_text, row.progress, dict(row.losses), tuple(row.curve))
