"""Feeds the dashboard: follows the log and the loss points, asks memory for scores, and calls the roll of the services.

Read-only: it publishes nothing. It shows the newest campaign, and switches when another one starts.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import time
from typing import Any

import structlog

from bus.delivery.bus import Bus
from bus.delivery.query_replies import QueryRefused
from bus.delivery.transport import TransportError
from bus.nats.transport import NatsTransport
from bus.vocabulary.events import AnalysisReady, CampaignStarted, HumanMessage, LossPoint, Record
from bus.vocabulary.queries import Query
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import has_name
from dashboard.history.history import CampaignHistory, summary
from dashboard.history.readings import Readings
from dashboard.report.render import render_report
from dashboard.server.hub import Hub
from dashboard.server.source import ForkHost, LabSilent, PersonSpeaker
from lab.client import model_costs
from lab.client.discovery import questions, record
from lab.client.event_text import event_text
from lab.client.lab_client import LabClient
from lab.client.outcomes import ExperimentOutcome, OutcomeReader
from lab.client.staff import RollCall, Staff

VITALS_INTERVAL_S = 1.0
"""Seconds between two messages about vitals."""
STANDING_INTERVAL_S = 2.0
"""Seconds between two questions to memory."""
ROLL_CALL_INTERVAL_S = 5.0
"""Seconds between two roll calls of the services."""
MAX_READINGS = 20_000
"""Loss points before our start that are read for the curves of open runs."""
MEMORY_PATIENCE_S = 5.0
"""How long memory may take to answer before the page says that it does not."""
PACE_EXPERIMENTS = 20
"""Newest ended experiments from which the time left is estimated."""

SignIn = Callable[[str, str], Any]
Check = Callable[[str], Any]
log = structlog.get_logger()


class DashboardFeed:
    """Watches one campaign of a lab for all browsers together; a `dashboard.server.source.LabSource`."""

    def __init__(
        self, bus: Bus, sign_in: SignIn, check: Check, campaign: str = "", forks: ForkHost | None = None
    ) -> None:
        """Watch over `bus` the campaign with a name or an id, by default the newest one."""
        self._bus, self._wanted, self.forks = bus, campaign, forks
        self._sign_in, self._check = sign_in, check
        self.hub = Hub()
        self._ready, self._analysed = asyncio.Event(), asyncio.Event()
        self._staff, self._roll = Staff(), RollCall((), (), datetime.now(UTC))
        self._silent = False
        self._read, self._start = 0, 0
        self._begin("")

    def _begin(self, campaign: str) -> None:
        """Switch to another campaign, of which nothing is known yet."""
        self.history, self.readings = CampaignHistory(campaign, event_text), Readings()
        self._outcome_reader, self._outcomes = OutcomeReader(), list[ExperimentOutcome]()
        self._reader = LabClient(self._bus, campaign, "", MEMORY_PATIENCE_S)
        self._standing: dict[str, Any] = {"scores": {}, "guidance": []}
        self._analysed.set()
        self.hub.restart()

    async def watch(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self._follow_log, self._follow_losses, self._ask_memory, self._call_roll, self._tell_vitals):
                group.create_task(work())

    async def _follow_log(self) -> None:
        """Add the log's events; those up to our start are history, later ones are sent to every browser."""
        self._start = start = await self._bus.transport.last_seq(subjects.LOG)
        if not start:
            self._ready.set()
        async for batch in self._bus.follow():
            for stored in batch:
                with suppress(MalformedMessage):
                    self._add(subjects.decode_event(stored), is_new=stored.seq > start)
            self._read = batch[-1].seq
            if self._read >= start:
                self._ready.set()

    def _add(self, envelope: Envelope, *, is_new: bool) -> None:
        """Add an event of the campaign that is shown."""
        if isinstance(envelope.event, CampaignStarted) and self._is_wanted(envelope.campaign):
            self._begin(envelope.campaign)
        if envelope.campaign != self.history.campaign:
            return
        self.history.append(envelope)
        if found := self._outcome_reader.read(envelope):
            self._outcomes.append(found)
        if isinstance(envelope.event, AnalysisReady | HumanMessage):
            self._analysed.set()
        (self.hub.publish if is_new else self.hub.remember)(envelope)

    def _is_wanted(self, campaign: str) -> bool:
        """Return whether a campaign that has started is the one to show from now on."""
        return campaign != self.history.campaign and (not self._wanted or has_name(campaign, self._wanted))

    async def _follow_losses(self) -> None:
        """Add the loss points of runs, from some before our start."""
        await self._ready.wait()
        after = max(0, await self._bus.transport.last_seq(subjects.METRICS) - MAX_READINGS)
        async for batch in self._bus.transport.follow(subjects.METRICS, after):
            for stored in batch:
                with suppress(MalformedMessage):
                    envelope = subjects.decode_event(stored)
                    if isinstance(envelope.event, LossPoint) and envelope.campaign == self.history.campaign:
                        self.readings.add(envelope.event)

    async def _ask_memory(self) -> None:
        """Ask memory for scores and guidance whenever they may have changed; if it does not answer, ask again."""
        await self._ready.wait()
        while True:
            await self._analysed.wait()
            self._analysed.clear()
            reader = self._reader
            try:
                standing = await self._ask(reader)
            except (TransportError, QueryRefused) as error:
                log.warning("memory does not answer", reason=str(error))
                self._silent = True
                self._analysed.set()
            else:
                self._silent = False
                if reader is self._reader and standing != self._standing:
                    self._standing = standing
                    self.hub.tell("standing", {"at": standing["at"]})
            await asyncio.sleep(STANDING_INTERVAL_S)

    async def _ask(self, reader: LabClient) -> dict[str, Any]:
        """Return scores by experiment, and the guidance in force. Raises TransportError, QueryRefused."""
        if not reader.campaign:
            return {"at": 0, "scores": {}, "guidance": []}
        reader = await reader.as_of()
        status, rows = await reader.status(), await reader.experiments()
        scores = {row.id: row.score for row in rows if row.score is not None}
        return {"at": reader.at, "scores": scores, "guidance": list(status.guidance)}

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
            await asyncio.sleep(ROLL_CALL_INTERVAL_S)

    async def _tell_vitals(self) -> None:
        """Send vitals to the browsers whenever they have changed."""
        told: Mapping[str, Any] = {}
        while True:
            if self.hub.streams and (vitals := self.vitals()) != told:
                self.hub.tell("vitals", vitals)
                told = vitals
            await asyncio.sleep(VITALS_INTERVAL_S)

    def vitals(self) -> Mapping[str, Any]:
        """Return services, absent roles, pace, time left, progress and forks; see LabSource."""
        history, since = self.history, time() - 60.0
        finished = history.rows.get("campaign", {}).get("state") == "finished"
        runs = [row["run"] for row in history.rows.values() if "run" in row and "ended" not in row]
        return {
            "services": list(self._roll.services),
            "absent": [] if finished else [one.as_json() for one in self._roll.absent],
            "silent": self._silent,
            "read": 1.0 if self._ready.is_set() else round(self._read / self._start, 3) if self._start else 0.0,
            "per_minute": sum(1 for _ in _newer(history, since)),
            "seconds_left": None if finished else self._seconds_left(),
            "progress": {run: self.readings.progress[run] for run in runs if run in self.readings.progress},
            "losses": {run: self.readings.newest(run) for run in runs},
            "forks": self.forks and self.forks.listed(),
        }

    def _seconds_left(self) -> float | None:
        """Return an estimate from the times of the last ends; None before the second end, and after the last one.

        How long verification takes then is not known.
        """
        last, figures = self.history.end_times[-PACE_EXPERIMENTS:], summary(self.history.rows)
        remaining = figures["total"] - figures["ended"]
        if len(last) < 2 or last[-1] == last[0] or remaining <= 0:
            return None
        return remaining * (last[-1] - last[0]) / (len(last) - 1)

    def standing(self) -> Mapping[str, Any]:
        """Return memory's newest answer; see LabSource."""
        return self._standing

    async def events_of(self, experiment: str) -> Sequence[Envelope]:
        """Return every event about an experiment; see LabSource."""
        if experiment not in self.history.rows:
            return ()
        pattern, events = f"lab.events.{self.history.campaign}.{experiment}.>", list[Envelope]()
        after = 0
        try:
            while batch := await self._bus.transport.read(subjects.LOG, after, pattern):
                after = batch[-1].seq
                events += subjects.decode_events(batch)
        except TransportError as error:
            raise LabSilent(str(error)) from None
        return events

    async def event_at(self, seq: int) -> Envelope | None:
        """Return the event at a position; see LabSource."""
        try:
            stored = await self._bus.message_at(seq)
        except TransportError as error:
            raise LabSilent(str(error)) from None
        return next(iter(subjects.decode_events([stored] if stored else [])), None)

    async def discovery(self, at: int) -> Mapping[str, Any]:
        """Return what is known of discoveries; see LabSource."""
        at = at or self.history.last
        if not at:
            return {}
        replies = [await self._answer(query) for query in questions(self.history.campaign, at)]
        return await asyncio.to_thread(record, at, replies, tuple(self._outcomes))

    async def spending(self, at: int) -> Mapping[str, Any]:
        """Return what language models took; see LabSource."""
        at = at or self.history.last
        if not at:
            return {}
        return model_costs.costs(
            [await self._answer(query) for query in model_costs.questions(self.history.campaign, at)]
        )

    async def _answer(self, query: Query) -> Record:
        """Return memory's answer. Raises LabSilent."""
        try:
            return await self._bus.ask(query, MEMORY_PATIENCE_S)
        except (TransportError, QueryRefused) as error:
            raise LabSilent(str(error)) from None

    async def report(self) -> str:
        """Return the report; see LabSource."""
        try:
            results = await (await self._reader.as_of()).results()
        except (TransportError, QueryRefused) as error:
            raise LabSilent(str(error)) from None
        sandbox = results.status.started.sandbox if results.status.started else ""
        entries = self.history.entries
        begun, newest = (datetime.fromtimestamp(entries[place].time, UTC) if entries else None for place in (0, -1))
        events = dict(self.history.counts)
        return await asyncio.to_thread(
            render_report, results, started=begun, ended=newest, events=events, sandbox=sandbox
        )

    async def check(self, source: str) -> Mapping[str, Any]:
        """Return the verdict on a source; see LabSource."""
        return await self._check(source)

    async def sign_in(self, person: str, key: str) -> PersonSpeaker:
        """Connect with a person's key; see LabSource."""
        return await self._sign_in(person, key)


def _newer(history: CampaignHistory, since: float) -> Sequence[float]:
    """Return the times of the events after a Unix time."""
    times = []
    for entry in reversed(history.entries):
        if entry.time <= since:
            break
        times.append(entry.time)
    return times
