"""Feeds the dashboard: follows the log and the loss points, asks memory for changes, and shows them twice a second.

Read-only: it publishes nothing. It shows the newest campaign, and switches when another one starts.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bus.delivery.bus import Bus
from bus.delivery.query_replies import QueryRefused
from bus.delivery.transport import TransportError
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import CampaignStarted, HumanMessage, LossPoint
from bus.vocabulary.queries import CampaignStatus, Experiment
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, has_name
from dashboard import curves
from dashboard.live import LiveSnapshot, SlotView
from dashboard.report import render_report
from dashboard.scores import Scores
from dashboard.services import AbsentView, ServiceView
from dashboard.site import Board, Site
from lab.client.campaign_view import CampaignView, ExperimentRow
from lab.client.event_text import event_line
from lab.client.lab_client import LabClient
from lab.client.staff import RollCall, Staff
from lab.errors import LabError

FEED_INTERVAL_S = 0.5
"""Seconds between two snapshots."""
ROLL_CALL_INTERVAL_S = 5.0
"""Seconds between two roll calls of the services."""
MAX_EVENTS_SHOWN = 100
"""Newest events that are shown."""
MAX_READINGS = 20_000
"""Loss points before our start that are read for the curves of open runs."""
MEMORY_PATIENCE_S = 5.0
"""How long memory may take to answer before the page says that it does not."""
REPORT_TIMEOUT_S = 60.0

log = structlog.get_logger()


class DashboardFeed:
    """Watches a lab for all browsers together."""

    def __init__(self, bus: Bus, campaign: str = "") -> None:
        """Watch over `bus` the campaign with a name or an id, by default the newest one."""
        self._wanted = campaign
        self._bus, self._board = bus, Board()
        self._changed, self._ready = asyncio.Event(), asyncio.Event()
        self._staff, self._roll = Staff(), RollCall((), (), datetime.now(UTC))
        self._begin("")

    def _begin(self, campaign: str) -> None:
        """Switch to another campaign, of which nothing is known yet."""
        self._view, self._reader = CampaignView(campaign), LabClient(self._bus, campaign, "", MEMORY_PATIENCE_S)
        self._log_lines: deque[tuple[int, str]] = deque(maxlen=MAX_EVENTS_SHOWN)
        self._rows: dict[str, Experiment] = {}
        self._experiments: tuple[Experiment, ...] = ()
        self._stale: set[str] = set()
        """Experiments with events since memory was last asked about them."""
        self._listed = False
        self._curves_requested: set[str] = set()
        """Experiments whose curves were requested from memory."""

    async def serve(self, host: str, port: int) -> None:
        """Serve the page until cancelled. Raises LabError if the address is taken."""
        loop = asyncio.get_running_loop()

        def report() -> str:
            return asyncio.run_coroutine_threadsafe(self._report(), loop).result(REPORT_TIMEOUT_S)

        try:
            site = Site(host, port, self._board, report)
        except OSError as error:
            raise LabError(f"can't listen on {host}:{port} ({error.strerror}); hint: choose another --port") from None
        server = threading.Thread(target=site.serve_forever, daemon=True)
        server.start()
        log.info("serving the dashboard", url=site.url)
        try:
            await self._watch()
        finally:
            self._board.close()
            await asyncio.to_thread(site.shutdown)
            site.server_close()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_log())
            group.create_task(self._follow_losses())
            group.create_task(self._show_changes())
            group.create_task(self._call_roll())

    async def _follow_log(self) -> None:
        """Apply the log's events; the first snapshot has all events up to our start."""
        start = await self._bus.transport.last_seq(subjects.LOG)
        if not start:
            self._ready.set()
        async for batch in self._bus.follow():
            for stored in batch:
                with suppress(MalformedMessage):
                    self._apply(subjects.decode_event(stored))
            if batch[-1].seq >= start:
                self._ready.set()
            self._changed.set()

    def _apply(self, envelope: Envelope) -> None:
        """Apply an event of the campaign that is shown."""
        if isinstance(envelope.event, CampaignStarted) and self._is_wanted(envelope.campaign):
            self._begin(envelope.campaign)
        if envelope.campaign != self._view.campaign:
            return
        self._view.apply(envelope)
        self._log_lines.appendleft((envelope.seq, event_line(envelope)))
        changed = envelope.event.target if isinstance(envelope.event, HumanMessage) else envelope.experiment
        if changed and changed != CAMPAIGN:
            self._stale.add(changed)

    def _is_wanted(self, campaign: str) -> bool:
        """Return whether a campaign that has started is the one to show from now on."""
        return campaign != self._view.campaign and (not self._wanted or has_name(campaign, self._wanted))

    async def _follow_losses(self) -> None:
        """Apply the loss points of runs, from some before our start."""
        await self._ready.wait()
        after = max(0, await self._bus.transport.last_seq(subjects.METRICS) - MAX_READINGS)
        async for batch in self._bus.transport.follow(subjects.METRICS, after):
            for stored in batch:
                with suppress(MalformedMessage):
                    envelope = subjects.decode_event(stored)
                    if isinstance(envelope.event, LossPoint) and envelope.campaign == self._view.campaign:
                        self._view.add_loss_point(envelope.event)
            self._changed.set()

    async def _call_roll(self) -> None:
        """Ask at intervals which services answer; if the lab does not answer, the last answer stands."""
        while isinstance(self._bus.transport, NatsTransport):
            try:
                roll = await self._staff.call(self._bus.transport)
            except TransportError as error:
                log.warning("no roll call", reason=str(error))
            else:
                if roll.services:  # this service answers too, so an empty roll is one that we may not call
                    self._roll = roll
                    self._changed.set()
            await asyncio.sleep(ROLL_CALL_INTERVAL_S)

    async def _show_changes(self) -> None:
        """Show a new snapshot after a change, at most one each `FEED_INTERVAL_S`; retry if memory does not answer."""
        await self._ready.wait()
        snapshot = LiveSnapshot(CampaignStatus())
        while True:
            self._changed.clear()
            try:
                snapshot = await self._snapshot()
            except (TransportError, QueryRefused) as error:
                log.warning("memory does not answer", reason=str(error))
                snapshot = replace(snapshot, silent=True, **self._staff_views(snapshot.status))
                self._changed.set()
            self._board.show(snapshot)
            await asyncio.sleep(FEED_INTERVAL_S)
            await self._changed.wait()

    async def _snapshot(self) -> LiveSnapshot:
        """Return the state to show, all of memory's answers as of one position. Raises TransportError, QueryRefused."""
        reader = await self._reader.as_of()
        await self._refresh(reader)
        view, status = self._view, await reader.status()
        return LiveSnapshot(
            status=status,
            experiments=self._experiments,
            slots=[] if view.finished else [_slot_view(row) for row in view.open_rows()],
            log_lines=tuple(self._log_lines),
            per_minute=view.events_per_minute(),
            seconds_left=view.seconds_left(),
            counts=dict(view.counts),
            **self._staff_views(status),
        )

    def _staff_views(self, status: CampaignStatus) -> dict[str, Any]:
        """Return the services and the absent roles to show; a campaign that has ended needs none."""
        absent = [] if status.finished else self._roll.absent
        return {
            "services": [_service_view(service) for service in self._roll.services],
            "absent": [AbsentView(one.role, one.since, one.command) for one in absent],
        }

    async def _refresh(self, reader: LabClient) -> None:
        """Ask memory about changed experiments: all of them in short the first time, then only those that changed."""
        stale, self._stale = self._stale, set()
        try:
            if stale or not self._listed:
                await self._ask(reader, *(stale if self._listed else ()))
                self._listed = True
            if missing := self._without_curve():
                await self._ask(reader, *missing)
                self._curves_requested.update(missing)
        except (TransportError, QueryRefused):
            self._stale |= stale
            raise

    async def _ask(self, reader: LabClient, *ids: str) -> None:
        """Store memory's answer without long texts and imported ones; drop it if another campaign has started."""
        rows = await reader.experiments(*ids)
        if reader.campaign != self._reader.campaign:
            return
        self._rows |= {
            row.id: row.model_copy(update={"source": "", "design": None}) for row in rows if not row.imported
        }
        self._experiments = tuple(sorted(self._rows.values(), key=lambda row: row.opened_seq))

    def _without_curve(self) -> tuple[str, ...]:
        """Return the experiments whose curves are drawn but not known: a listing comes without curves."""
        scores = Scores(self._experiments)
        drawn = (*scores.baselines, *scores.candidates[: curves.MAX_COLOURED_CURVES])
        return tuple(row.id for row in drawn if not row.curve and row.id not in self._curves_requested)

    async def _report(self) -> str:
        """Return the current report. Raises OSError if memory does not answer."""
        try:
            status, experiments = await self._reader.status_and_experiments()
        except (TransportError, QueryRefused) as error:
            raise OSError(str(error)) from None
        sandbox = status.started.sandbox if status.started else ""
        return render_report(
            status, experiments, started=None, ended=None, events=dict(self._view.counts), sandbox=sandbox
        )


def _service_view(service: Mapping[str, Any]) -> ServiceView:
    """Return a service's vitals as the page shows them; an older service reports fewer."""
    return ServiceView(**{each.name: service[each.name] for each in fields(ServiceView) if each.name in service})


def _slot_view(row: ExperimentRow) -> SlotView:
    return SlotView(row.id, row.name, row.stage_text, row.progress, dict(row.losses), tuple(row.curve))
