"""Runs a campaign: starts or resumes it, supervises the services, watches the log until the campaign is finished.

The state of the campaign is in the log. This process only starts the services and follows the log until the director
publishes CampaignFinished. If it is interrupted at any point, the same command resumes.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bus.delivery.bus import Bus
from bus.nats import server
from bus.nats.transport import NatsTransport
from bus.security import access, keys
from bus.vocabulary.events import LossPoint
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from dashboard.report.results import CampaignResults
from lab import endings
from lab.cancel_and_wait import cancel_and_wait
from lab.client import connection
from lab.client.campaign_view import CampaignView
from lab.client.lab_client import LabClient
from lab.client.lost_tail import reread_after_loss
from lab.errors import LabError
from lab.home import Home
from lab.roster import agent_names, all_durables
from lab.runtime import sync_check
from lab.runtime.campaign_choice import start_campaign
from lab.runtime.supervisor import Service, Supervisor
from lab.settings import Settings

INTERRUPTED_PATIENCE_S = 2.0
"""Seconds that an interrupted run waits for memory's answers."""
SCREEN_INTERVAL_S = 0.25
"""Seconds between two updates of the screen: the events in between are read and shown together."""

CONSUMER_INTERVAL_S = 3.0
"""Seconds between two checks that every role still has its consumers."""

log = structlog.get_logger()
Screen = Callable[[CampaignView, Envelope | None], None]
"""Shows a view; called with each new event, and with None at every update of the screen."""
Services = Callable[[Settings, Home], Sequence[Service]]
"""Returns the services to start."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The result of a run: the view at its end, and memory's answers."""

    view: CampaignView
    results: CampaignResults
    finished: bool
    """False if a person interrupted it."""
    seconds: float
    restarts: int


async def run_campaign(settings: Settings, home: Home, screen: Screen, services: Services | None = None) -> RunOutcome:
    """Run a campaign to its end or to an interrupt.

    `services` returns the services to start, given the settings with the server's URL; the default is a whole lab.
    Raises LabError, TransportError, ServerFailed.
    """
    start = time.monotonic()
    supervisor = Supervisor(home.logs)
    try:
        async with _server(settings, home, supervisor) as (url, seeds):
            transport = await connection.connect(settings, access.ADMIN, url, seeds=seeds)
            if seeds is None and not settings.allow_lazy_sync:
                await asyncio.to_thread(sync_check.require_sync, url, transport.server_id, settings.monitor)
            await transport.provision(
                all_durables(), replicas=settings.replicas, patience=settings.patience, limits=settings.streams
            )
            bus = Bus(transport, "director", "lab")
            await reread_after_loss(transport, bus, home.chain)
            campaign, budget_position = await start_campaign(bus, settings, home)
            view = CampaignView(campaign, budget_after=budget_position)
            nkey_file = keys.seed_path(seeds, access.ADMIN) if seeds else settings.nkey_file
            service_settings = settings.model_copy(update={"nats": url, "nkey_file": nkey_file})
            with home.announced(url, campaign, embedded=seeds is not None):
                for service in (services or lab_services)(service_settings, home):
                    supervisor.start(service)
                keeping = asyncio.create_task(_keep_consumers(transport))
                finished = await _watch(bus, view, screen, supervisor)
                await cancel_and_wait(keeping)
                reader = LabClient(bus, campaign, url, settings.patience if finished else INTERRUPTED_PATIENCE_S)
                results = await reader.results()
                await supervisor.stop()
            await transport.close()
    finally:
        await supervisor.stop()
    return RunOutcome(view, results, finished, time.monotonic() - start, supervisor.restarts)


@asynccontextmanager
async def _server(settings: Settings, home: Home, supervisor: Supervisor) -> AsyncIterator[tuple[str, Path | None]]:
    """Yield the URL of the server and the folder of its seeds.

    If the settings name no server, an embedded one runs on a free port, and is restarted there if it exits. The seeds
    of a named server are not ours, so their folder is None.
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
        await _wait_until_listening(port, keeper, settings.patience)
        yield f"nats://127.0.0.1:{port}", home.keys
    finally:
        await supervisor.stop()
        await keeper.stop()


async def _wait_until_listening(port: int, keeper: Supervisor, seconds: float) -> None:
    """Wait until the server listens. Raises LabError."""
    failed = asyncio.create_task(keeper.failed())
    deadline = time.monotonic() + seconds
    try:
        while not await asyncio.to_thread(server.is_listening, port):
            if failed.done():
                await failed
            if time.monotonic() > deadline:
                raise LabError(f"nats-server does not listen on port {port}; hint: see nats/server.log in the home")
            await asyncio.sleep(0.02)
    finally:
        failed.cancel()


def lab_services(settings: Settings, home: Home) -> list[Service]:
    """Return every service of a lab on one machine."""
    trainers = [("trainer", str(number)) for number in range(1, settings.trainers + 1)]
    return [
        Service(
            f"{role}-{instance}" if role == "trainer" else role,
            service_command(role, instance),
            service_environment(settings, home, role),
        )
        for role, instance in [("memory", "1"), *trainers, *((agent, "1") for agent in agent_names())]
    ]


def service_command(role: str, instance: str, module: str = "lab.runtime.service") -> list[str]:
    """Return the command line of a service."""
    return [sys.executable, "-m", module, role, instance]


def service_environment(settings: Settings, home: Home, role: str) -> dict[str, str]:
    """Return the settings of a service as environment variables, the same ones that a person would set.

    `MOVE37_NKEY_FILE` is the key of the service's own role, if there is one.
    """
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    values["home"] = str(home.root.resolve())
    for name in ("data", "nkey_file", "tls_ca"):
        if name in values:
            values[name] = str(Path(values[name]).resolve())
    if seed := connection.role_seed_path(settings.nkey_file, role):
        values["nkey_file"] = str(seed.resolve())
    nested = {f"llm__{name}": value for name, value in values.pop("llm").items()}
    env = {f"MOVE37_{name.upper()}": _as_text(value) for name, value in (values | nested).items()}
    return env | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _as_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


async def _watch(bus: Bus, view: CampaignView, screen: Screen, supervisor: Supervisor) -> bool:
    """Follow the campaign until it is finished (True) or interrupted (False). Raises LabError if a service fails."""
    interrupted, loop = asyncio.Event(), asyncio.get_running_loop()
    followers = [
        asyncio.create_task(_follow(bus, view, screen)),
        asyncio.create_task(interrupted.wait()),
        asyncio.create_task(supervisor.failed()),
    ]
    helpers = [asyncio.create_task(_follow_losses(bus, view)), asyncio.create_task(_refresh(view, screen))]
    with endings.listening(lambda: loop.call_soon_threadsafe(interrupted.set)):
        try:
            done, _ = await asyncio.wait(followers, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return followers[0] in done
        finally:
            await asyncio.gather(*map(cancel_and_wait, (*followers, *helpers)))


async def _follow(bus: Bus, view: CampaignView, screen: Screen) -> None:
    """Apply the log to the view until the campaign is finished and the end of the log is reached."""
    async for batch in bus.follow(batch_delay=SCREEN_INTERVAL_S):
        for stored in batch:
            with contextlib.suppress(MalformedMessage):
                envelope = subjects.decode_event(stored)
                if envelope.campaign == view.campaign:
                    view.apply(envelope)
                    screen(view, envelope)
        if view.is_over() and batch[-1].seq >= await bus.newest_position():
            return


async def _follow_losses(bus: Bus, view: CampaignView) -> None:
    """Apply the loss points of the metrics stream to the view."""
    after = await bus.newest_position(stream=subjects.METRICS)
    pattern = f"lab.metrics.{view.campaign}.*"
    async for batch in bus.transport.follow(subjects.METRICS, after, pattern, batch_delay=SCREEN_INTERVAL_S):
        for stored in batch:
            with contextlib.suppress(MalformedMessage):
                event = subjects.decode_event(stored).event
                if isinstance(event, LossPoint):
                    view.add_loss_point(event)


async def _keep_consumers(transport: NatsTransport) -> None:
    """Make the roles' consumers again if somebody deletes them; the roles' own keys may not."""
    while True:
        await asyncio.sleep(CONSUMER_INTERVAL_S)
        await transport.restore_consumers(all_durables())


async def _refresh(view: CampaignView, screen: Screen) -> None:
    """Update the screen between events."""
    while True:
        screen(view, None)
        await asyncio.sleep(SCREEN_INTERVAL_S)
