"""A past that was never lived: memories that hold a made-up campaign of so many experiments, and homes behind it.

The ideas are put together from the clauses of bred ones, so that they lie about as near to each other as those of a
campaign. The file is filled from the bytes of a log, as when memory is rebuilt. In a home the log begins behind that
past: roles decide upon new events and ask memory about what was, so nobody reads what stood before.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from pydantic import JsonValue

from benchmarks.campaign_log import NAME, Ideas, campaign_log
from benchmarks.novelty import population
from bus.delivery.durables import ALL_DURABLES
from bus.nats import server
from bus.security import access
from bus.vocabulary.events import ProposalCreated
from bus.wire import subjects
from bus.wire.envelope import decode, encode
from lab.client import connection
from lab.home import Home
from lab.settings import Settings
from memory.gc_tuning import collect_and_freeze
from memory.retrieval import ideas
from memory.retrieval.embedding import CLAUSE_SEPARATOR, SentenceEmbedder
from memory.store import Store

STOCK = 400
"""Bred ideas whose clauses the made-up ones consist of."""
BATCH = 256
"""Events learned together."""
ROWS = 5000
"""Rows written in one transaction, at least, as by the service."""


def recombined(stock: Sequence[ProposalCreated]) -> Ideas:
    """Return ideas that each take a source and a design from one of the stock, and their clauses from all of it."""
    clauses = [CLAUSE_SEPARATOR.split(idea.motivation) for idea in stock]

    def idea(slot: int, rng: Random) -> tuple[str, str, dict[str, JsonValue]]:
        base = rng.choice(stock)
        words = [rng.choice(rng.choice(clauses)) for _ in rng.choice(clauses)]
        return ". ".join(words), f"{base.source}\n# {slot}\n", base.design or {}

    return idea


def payloads(experiments: int, slots: int) -> Iterator[list[bytes]]:
    """Yield the log of a finished campaign in batches."""
    said = campaign_log(experiments, slots=slots, ideas=recombined(population(STOCK, Random(0))))
    while batch := [encode(one) for one in islice(said, BATCH)]:
        yield batch


def fill(path: Path, experiments: int, slots: int = 4) -> dict[str, Any]:
    """Rebuild memory from the log of a finished campaign of so many experiments; return its size and what it took."""
    projecting, embedder = 0.0, SentenceEmbedder()
    embedder.encode(["ready"])
    with Store(path) as store:
        for batch in payloads(experiments, slots):
            begun = time.process_time()
            assert store.apply([decode(body, seq) for seq, body in enumerate(batch, store.position + 1)]) == []
            if store.pending_rows > ROWS:
                store.commit()
                collect_and_freeze()
            projecting += time.process_time() - begun
        begun = time.process_time()
        course = store.read_model.campaign(NAME)
        held, proposed = ideas.MotivationIndex(store, embedder), len(course.proposals)
        for count in range(0, proposed + ROWS, ROWS):
            held.catch_up(course, min(count, proposed))
            store.commit()
        understood = time.process_time() - begun
        return {
            "events": store.position,
            "rebuild_cpu_s": round(projecting + understood, 1),
            "of_it_ideas_cpu_s": round(understood, 1),
        }


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do it in a process of its own, so that what it holds is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work).result()


async def begin_behind(settings: Settings, home: Home, experiments: int) -> None:
    """Let a fresh home hold a campaign of so many experiments: memory's file, and a log that begins behind it."""
    filled = apart(partial(fill, home.database, experiments, settings.slots_or_default()))
    async with server.run_server(home.nats, home.authorization()) as url:
        transport = await connection.connect(settings, access.ADMIN, url, seeds=home.keys)
        await transport.provision(ALL_DURABLES, begins={subjects.LOG: filled["events"] + 1})
        await transport.close()
    home.record_campaign({"id": NAME, "seed": 0, "scale": "nano", "experiments": experiments})
