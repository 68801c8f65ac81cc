"""A synthetic past: memory files that hold a finished campaign of any size, and homes whose log begins after it.

The ideas combine the sentences of bred ones, so they are about as similar to each other as those of a campaign. The
file is filled from the bytes of a log, as when memory is rebuilt. In a home the log begins after that past. That is
enough: roles handle new events and ask memory about old ones, so no role reads the missing part of the log.
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

from benchmarks.campaign_log import CAMPAIGN_ID, IdeaSource, campaign_log
from benchmarks.novelty import breed_population
from bus.nats import server
from bus.security import access
from bus.vocabulary.events import ProposalCreated
from bus.wire import subjects
from bus.wire.envelope import decode, encode
from lab.client import connection
from lab.home import Home
from lab.roster import all_durables
from lab.settings import Settings
from memory.gc_tuning import collect_and_freeze
from memory.retrieval.embedding import SENTENCE_END, SentenceEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store

STOCK_IDEAS = 400
"""Number of bred ideas; the synthetic ones combine their sentences."""
BATCH_EVENTS = 256
"""Events that memory applies together."""
COMMIT_ROWS = 5000
"""Rows after which memory commits, as the service does."""


def recombined_ideas(stock: Sequence[ProposalCreated]) -> IdeaSource:
    """Return ideas that take source and design from one idea of the stock, and sentences from all of them."""
    sentences = [SENTENCE_END.split(idea.motivation) for idea in stock]

    def idea(slot: int, rng: Random) -> tuple[str, str, dict[str, JsonValue]]:
        base = rng.choice(stock)
        chosen = [rng.choice(rng.choice(sentences)) for _ in rng.choice(sentences)]
        return " ".join(chosen), f"{base.source}\n# {slot}\n", base.design or {}

    return idea


def batches(experiments: int, slots: int) -> Iterator[list[bytes]]:
    """Yield the encoded log of a finished campaign in batches."""
    envelopes = campaign_log(experiments, slots=slots, ideas=recombined_ideas(breed_population(STOCK_IDEAS, Random(0))))
    while batch := [encode(envelope) for envelope in islice(envelopes, BATCH_EVENTS)]:
        yield batch


def fill_memory(path: Path, experiments: int, slots: int = 4) -> dict[str, Any]:
    """Rebuild memory from the log of a finished campaign; return its events and the CPU seconds."""
    projection_s, embedder = 0.0, SentenceEmbedder()
    embedder.encode(["ready"])
    with Store(path) as store:
        for batch in batches(experiments, slots):
            start = time.process_time()
            assert store.apply([decode(body, seq) for seq, body in enumerate(batch, store.position + 1)]) == []
            if store.pending_rows > COMMIT_ROWS:
                store.commit()
                collect_and_freeze()
            projection_s += time.process_time() - start
        start = time.process_time()
        campaign = store.read_model.campaign(CAMPAIGN_ID)
        motivations, proposals = MotivationIndex(store, embedder), len(campaign.proposals)
        for count in range(0, proposals + COMMIT_ROWS, COMMIT_ROWS):
            motivations.catch_up(campaign, min(count, proposals))
            store.commit()
        embedding_s = time.process_time() - start
        return {
            "events": store.position,
            "rebuild_cpu_s": round(projection_s + embedding_s, 1),
            "of_it_ideas_cpu_s": round(embedding_s, 1),
        }


def run_in_own_process(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do some work in a process of its own, so that the memory measured is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work).result()


async def begin_after_past(settings: Settings, home: Home, experiments: int) -> None:
    """Give a fresh home the memory of a finished campaign, and a log that begins after it."""
    figures = run_in_own_process(partial(fill_memory, home.database, experiments, settings.slots_or_default()))
    async with server.run_server(home.nats, home.authorization()) as url:
        transport = await connection.connect(settings, access.ADMIN, url, seeds=home.keys)
        await transport.provision(all_durables(), first_positions={subjects.LOG: figures["events"] + 1})
        await transport.close()
    home.record_campaign({"id": CAMPAIGN_ID, "seed": 0, "scale": "nano", "experiments": experiments})
