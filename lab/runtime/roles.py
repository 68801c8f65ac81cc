"""Every role with what it needs: the one place where rooms are put together into services.

Heavy libraries are imported inside the builder of the role that uses them, so that an agent stays small.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bus.audit.chain import ChainRecorder
from bus.delivery.actor import Actor
from bus.delivery.bus import Bus
from bus.delivery.deciding import Answerer
from bus.delivery.inbox import Inbox
from bus.delivery.query_replies import QueryRefused
from bus.delivery.role import Post
from bus.delivery.transport import Durable, TransportError
from bus.vocabulary.events import HumanMessage, Spoken
from bus.vocabulary.queries import AskExperiments, Experiments
from bus.vocabulary.questions import Completion, Question
from bus.wire import subjects
from bus.wire.envelope import Envelope, MalformedMessage
from bus.wire.ids import CAMPAIGN, campaign_root_id, derive
from bus.wire.stored_message import StoredMessage
from lab.home import Home
from lab.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from memory.retrieval.embedding import Embedder

log = structlog.get_logger()

CONCURRENCY = 32
"""Decisions an agent has under way at once: most of their time is waiting for answers."""
CHAIN_INTERVAL_S = 0.5
"""Seconds between two readings of the log by its witness, for whom nobody waits."""
VETO_TIMEOUT_S = 2.0
"""Seconds that a run waits to hear whether it is still wanted: it goes on meanwhile, and asks again."""


async def memory(bus: Bus, settings: Settings, embedder: "Embedder | None" = None) -> None:
    """Follow the log and answer questions; texts are compared by the sentence model where no embedder is given.

    The model is loaded once there is a text to embed that was not embedded before.
    """
    from memory.retrieval.embedding import SentenceEmbedder
    from memory.service import MemoryService
    from memory.store import Store

    settings.home.mkdir(parents=True, exist_ok=True)
    home = Home(settings.home)
    with Store(home.database) as store, closing(ChainRecorder(home.chain)) as witness:
        bus.vitals.measure_lag = lambda: max(0, witness.position - store.position)
        noting = asyncio.create_task(_note(bus, witness))
        try:
            await MemoryService(bus, store, embedder or SentenceEmbedder()).run()
        finally:
            await _noted(noting, witness, store.position)


async def _note(bus: Bus, witness: ChainRecorder) -> None:
    """Note the hash of every message of the log beside memory's own reading, which may begin again at the first."""
    try:
        async for batch in bus.follow(after=witness.position, batch_delay=CHAIN_INTERVAL_S):
            witness.record(batch)
    except OSError as error:
        log.error("the chain is not noted any more", reason=error.strerror)


async def _noted(noting: asyncio.Task[None], witness: ChainRecorder, position: int) -> None:
    """Let the witness note what memory has read, before both end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3 * CHAIN_INTERVAL_S):
            while witness.position < position and not noting.done():
                await asyncio.sleep(0.02)
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)


async def director(bus: Bus, _: Settings) -> None:
    """Open slots."""
    from agents.roles.director import Director

    await Actor(bus, Director(), concurrency=CONCURRENCY, in_order=(HumanMessage,)).run()


async def researcher(bus: Bus, settings: Settings) -> None:
    """Propose."""
    from agents.roles.researcher import Researcher, ResearcherSettings

    role = Researcher(ResearcherSettings(model=bool(settings.llm.base_url)))
    await Actor(bus, role, _model(settings.llm), concurrency=CONCURRENCY).run()


async def engineer(bus: Bus, settings: Settings) -> None:
    """Check and repair."""
    from agents.roles.engineer import Engineer, EngineerSettings
    from trainer import scales

    role = Engineer(EngineerSettings(limits=scales.limits(), model=bool(settings.llm.base_url)))
    await Actor(bus, role, _model(settings.llm), concurrency=CONCURRENCY).run()


async def analyst(bus: Bus, settings: Settings) -> None:
    """Compare and explain."""
    from agents.roles.analyst import Analyst

    role = Analyst(model=bool(settings.llm.base_url))
    await Actor(bus, role, _model(settings.llm), concurrency=CONCURRENCY).run()


async def desk(bus: Bus, _: Settings) -> None:
    """Listen to people."""
    from agents.roles.desk import Desk

    inbox = Inbox(Durable("desk", subjects.HUMAN, ("lab.human.*",)), human_envelope)
    await Actor(bus, Desk(), inbox=inbox).run()


async def trainer(bus: Bus, settings: Settings) -> None:
    """Train and score."""
    from trainer.role import TrainerRole
    from trainer.service import answerers

    worker = bus.source.rsplit("/", 1)[1]

    async def publish(envelope: Envelope, post: Post, ordinal: str) -> None:
        await bus.publish(post, envelope.campaign, envelope, ordinal)

    with answerers(settings.home / "artifacts", publish, partial(vetoed, bus), worker) as answering:
        await Actor(bus, TrainerRole(), answering).run()


async def dashboard(bus: Bus, settings: Settings) -> None:
    """Show the campaign to people, read-only."""
    from lab.observability.dashboard_feed import DashboardFeed

    await DashboardFeed(bus).serve(settings.dashboard_host, settings.dashboard_port)


async def vetoed(bus: Bus, envelope: Envelope) -> bool:
    """Say whether a person has vetoed an event's experiment, as far as memory answers soon."""
    try:
        found = await bus.ask(AskExperiments(campaign=envelope.campaign, ids=(envelope.experiment,)), VETO_TIMEOUT_S)
    except (TransportError, QueryRefused):
        return False
    assert isinstance(found, Experiments)
    return any(row.vetoed for row in found.rows)


BUILD: Mapping[str, Callable[[Bus, Settings], Awaitable[None]]] = {
    "memory": memory,
    "director": director,
    "researcher": researcher,
    "engineer": engineer,
    "analyst": analyst,
    "desk": desk,
    "trainer": trainer,
    "dashboard": dashboard,
}
"""What serves each role."""


def human_envelope(stored: StoredMessage) -> Envelope:
    """Return what a person published as the desk's input. Raises Malformed where it is not text."""
    try:
        payload = stored.payload.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("a person's message has to be text in UTF-8") from None
    campaign = stored.subject.rsplit(".", 1)[1]
    return Envelope(
        id=human_message_id(stored.subject, stored.seq),
        source="/lab/human/1",
        time=datetime.now(UTC),
        campaign=campaign,
        experiment=CAMPAIGN,
        event=Spoken(payload=payload),
        cause=campaign_root_id(campaign),
    )


def human_message_id(subject: str, place: int) -> str:
    """Return the id of words by their place in the inbox: a redelivery of them says the same."""
    return derive("heard", subject, place)


def _model(settings: ModelSettings) -> dict[type[Question], Answerer]:
    """Return who answers questions to a model; nobody where none is configured. Raises ValueError."""
    if not settings.base_url:
        return {}
    from agents.llm.model import Endpoint, ModelClient

    endpoint = Endpoint(
        settings.base_url,
        settings.model,
        settings.api_key_env or "",
        timeout_s=settings.timeout,
        temperature=settings.temperature,
    )
    return {Completion: ModelClient(endpoint).answer}
