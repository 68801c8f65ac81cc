"""A campaign from the command to its report: start or resume, supervise, watch, end.

The campaign itself lives in the log; what is here only starts the processes that carry it on and looks on until the
director says CampaignFinished. Cut off at any point, the same command goes on where the log stands.
"""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from agents import design
from bus.delivery.bus import Bus
from bus.delivery.durables import ALL_DURABLES
from bus.delivery.role import Post
from bus.nats import server
from bus.security import access, keys
from bus.vocabulary.events import CampaignStarted, LossPoint
from bus.vocabulary.queries import CampaignStatus, Experiment
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, campaign_id
from lab.client import connection
from lab.client.campaign_view import CampaignView
from lab.client.session import LabClient
from lab.errors import LabError
from lab.home import Home
from lab.runtime import sync_check
from lab.runtime.supervisor import Service, Supervisor
from lab.settings import LoadedSettings, Settings

AGENTS = ("director", "researcher", "engineer", "analyst", "desk")
IDENTITY_SETTINGS = ("seed", "scale")
"""Settings that make a campaign the one it is."""
SCREEN_INTERVAL_S = 0.25
"""Seconds between two looks of a person at the screen: what comes in between is read and shown together."""

log = structlog.get_logger()
Screen = Callable[[CampaignView, Envelope | None], None]
"""Shows a view; is called with each event as it comes, and with None now and then."""
Services = Callable[[Settings, Home], Sequence[Service]]
"""Says what to start."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How watching ended, and what memory then knew."""

    view: CampaignView
    standing: CampaignStatus
    experiments: tuple[Experiment, ...]
    finished: bool
    """False where a person interrupted it."""
    seconds: float
    restarts: int


def resolve_settings(loaded: LoadedSettings, home: Home) -> Settings:
    """Return the settings for this home: those of the campaign it holds, where it holds one. Raises LabError."""
    settings, note = loaded.settings, home.campaign()
    if not note:
        return settings
    for name in IDENTITY_SETTINGS:
        if loaded.explicit(name) and getattr(settings, name) != note[name]:
            raise LabError(
                f"{home.root} holds a campaign with {name} {note[name]}; for {name} {getattr(settings, name)} "
                "choose another --home"
            )
    kept = {name: note[name] for name in (*IDENTITY_SETTINGS, "experiments") if not loaded.explicit(name)}
    return settings.model_copy(update=kept)


async def run_campaign(settings: Settings, home: Home, screen: Screen, services: Services | None = None) -> RunOutcome:
    """Run a campaign to its end or to an interrupt.

    `services` says what to start, given the settings with the server's URL; the default is a whole lab.
    Raises LabError, TransportError, ServerFailed.
    """
    begun = time.monotonic()
    campaign = campaign_id(settings.seed, settings.scale)
    supervisor = Supervisor(home.logs)
    try:
        async with _server(settings, home, supervisor) as (url, seeds):
            transport = await connection.connect(settings, access.ADMIN, url, seeds=seeds)
            if seeds is None and not settings.allow_lazy_sync:
                await asyncio.to_thread(sync_check.require_sync, url, transport.server_id, settings.monitor)
            await transport.provision(ALL_DURABLES, replicas=settings.replicas)
            bus = Bus(transport, "director", "lab")
            view = CampaignView(campaign, budget_after=await _begin(bus, settings, home, campaign))
            there = {"nats": url, "nkey_file": keys.seed_path(seeds, access.ADMIN) if seeds else settings.nkey_file}
            with home.announced(url, campaign, embedded=seeds is not None):
                for service in (services or lab_services)(settings.model_copy(update=there), home):
                    supervisor.start(service)
                finished = await _watch(bus, view, screen, supervisor)
                reader = LabClient(bus, campaign, url, patience=20.0 if finished else 2.0)
                standing, experiments = await reader.status_and_experiments()
                await supervisor.stop()
            await transport.close()
    finally:
        await supervisor.stop()
    return RunOutcome(view, standing, experiments, finished, time.monotonic() - begun, supervisor.restarts)


@asynccontextmanager
async def _server(settings: Settings, home: Home, supervisor: Supervisor) -> AsyncIterator[tuple[str, Path | None]]:
    """Yield the URL of the server and the folder of its seeds.

    It is the one named, whose seeds are not ours, or an embedded one that is kept up on one port.
    """
    if settings.nats:
        yield settings.nats, None
        return
    port = server.free_port()
    keeper = Supervisor(home.logs)
    keeper.start(
        Service(
            "nats-server", server.server_command(home.nats, port, home.authorization()), server.server_environment()
        )
    )
    try:
        await _reachable(port, keeper)
        yield f"nats://127.0.0.1:{port}", home.keys
    finally:
        await supervisor.stop()
        await keeper.stop()


async def _reachable(port: int, keeper: Supervisor, seconds: float = 20.0) -> None:
    """Wait until the server listens. Raises LabError."""
    failed = asyncio.create_task(keeper.failed())
    deadline = time.monotonic() + seconds
    try:
        while not await asyncio.to_thread(server.is_listening, port):
            if failed.done():
                await failed
            if time.monotonic() > deadline:
                raise LabError(f"nats-server does not listen on port {port}; see nats/server.log in the home")
            await asyncio.sleep(0.02)
    finally:
        failed.cancel()


async def _begin(bus: Bus, settings: Settings, home: Home, campaign: str) -> int | None:
    """Say that the campaign starts; where it had started, the stream drops that.

    A new budget is asked for as a person would, behind whatever people said meanwhile; the position past which it will
    be heard is returned.
    """
    baselines = tuple(design.BASELINES)
    started = CampaignStarted(
        goal=settings.goal,
        seed=settings.seed,
        scale=settings.scale,
        experiments=settings.experiments,
        slots=settings.slots_or_default(),
        attempts=settings.attempts,
        baselines=baselines,
        cold_start=min(200, len(baselines) + settings.experiments // 8),
        batch=min(50, max(1, settings.experiments // 32)),
        data=str(settings.data.resolve()) if settings.data else None,
        sandbox=settings.sandbox,
    )
    noted = home.campaign()
    await bus.publish(Post(CAMPAIGN, started), campaign)
    position = None
    if noted and noted["experiments"] != settings.experiments:
        position = await bus.transport.last_seq(subjects.LOG)
        words = json.dumps({"kind": "budget", "text": str(settings.experiments), "by": "command line"})
        await bus.transport.publish(
            subjects.human_inbox(campaign), words.encode(), f"{campaign}-budget-{time.time_ns()}"
        )
    home.note_campaign(
        {"id": campaign, **{name: getattr(settings, name) for name in (*IDENTITY_SETTINGS, "experiments")}}
    )
    return position


def lab_services(settings: Settings, home: Home) -> list[Service]:
    """Return every service of a lab on one machine."""
    trainers = [("trainer", str(number)) for number in range(1, settings.trainers + 1)]
    return [
        Service(
            f"{role}-{instance}" if role == "trainer" else role,
            service_command(role, instance),
            service_environment(settings, home, role),
        )
        for role, instance in [("memory", "1"), *trainers, *((agent, "1") for agent in AGENTS)]
    ]


def service_command(role: str, instance: str, module: str = "lab.runtime.service") -> list[str]:
    """Return the command line of a service."""
    return [sys.executable, "-m", module, role, instance]


def service_environment(settings: Settings, home: Home, role: str) -> dict[str, str]:
    """Return the settings as environment variables, so that a service reads them as it would a person's.

    Of the keys a service is told of its own alone.
    """
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    values["home"] = str(home.root.resolve())
    for name in ("data", "nkey_file", "tls_ca"):
        if name in values:
            values[name] = str(Path(values[name]).resolve())
    if seed := connection.role_seed_path(settings.nkey_file, role):
        values["nkey_file"] = str(seed.resolve())
    nested = {f"llm__{name}": value for name, value in values.pop("llm").items()}
    env = {f"MOVE37_{name.upper()}": str(value) for name, value in (values | nested).items()}
    return env | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


async def _watch(bus: Bus, view: CampaignView, screen: Screen, supervisor: Supervisor) -> bool:
    """Follow the campaign until it is finished (True) or a person interrupts (False). Raises what a service died of."""
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    followers = [
        asyncio.create_task(_follow(bus, view, screen)),
        asyncio.create_task(interrupted.wait()),
        asyncio.create_task(supervisor.failed()),
    ]
    beside = [asyncio.create_task(_points(bus, view)), asyncio.create_task(_tick(view, screen))]
    try:
        done, _ = await asyncio.wait(followers, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return followers[0] in done
    finally:
        for task in (*followers, *beside):
            task.cancel()
        await asyncio.gather(*followers, *beside, return_exceptions=True)


async def _follow(bus: Bus, view: CampaignView, screen: Screen) -> None:
    """Apply the log to the view until the campaign is finished and the log holds nothing more."""
    async for batch in bus.follow(gather=SCREEN_INTERVAL_S):
        for stored in batch:
            with contextlib.suppress(MalformedMessage):
                said = subjects.decode_event(stored)
                if said.campaign == view.campaign:
                    view.apply(said)
                    screen(view, said)
        if view.is_over() and batch[-1].seq >= await bus.newest_position():
            return


async def _points(bus: Bus, view: CampaignView) -> None:
    """Apply the loss points of the metrics stream to the view."""
    after = await bus.transport.last_seq(subjects.METRICS)
    pattern = f"lab.metrics.{view.campaign}.*"
    async for batch in bus.transport.follow(subjects.METRICS, after, pattern, gather=SCREEN_INTERVAL_S):
        for stored in batch:
            with contextlib.suppress(MalformedMessage):
                event = subjects.decode_event(stored).event
                if isinstance(event, LossPoint):
                    view.point(event)


async def _tick(view: CampaignView, screen: Screen) -> None:
    """Let the screen breathe between events."""
    while True:
        screen(view, None)
        await asyncio.sleep(SCREEN_INTERVAL_S)
