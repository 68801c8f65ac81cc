"""The costs of memory: a rebuild, opening the file, each query, the time from an event to an answer, and embeddings.

    python -m benchmarks.memory rebuild|queries|latency|embedding [--events N]

Prints JSON, one object a line. Times are wall-clock milliseconds unless their names say otherwise.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median, quantiles

from benchmarks.campaign_log import CAMPAIGN_ID, campaign_log, random_idea
from bus.vocabulary.events import ProposalCreated
from bus.vocabulary.queries import AskCampaignStatus, AskCognition, AskExperiments, AskNeighbours, AskPeers, Query
from bus.wire.envelope import decode, encode
from bus.wire.ids import fingerprint
from memory.cognition import CognitionBase, load_entries
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import Embedder, HashEmbedder, SentenceEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store

BATCH_EVENTS = 256
"""Events that memory applies together."""
COMMIT_ROWS = 5000
"""Rows after which memory commits, as the service does."""


def main() -> None:
    """Run the measurements that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASUREMENTS, []], help="measurements")
    parser.add_argument("--events", type=int, default=100_000, help="events of the rebuild")
    options = parser.parse_args()
    for name in options.what or MEASUREMENTS:
        for figures in MEASUREMENTS[name](options):
            sys.stdout.write(json.dumps({"measure": name, **figures}) + "\n")
            sys.stdout.flush()


def rebuild(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Fill an empty file from the bytes of a log, as after a deletion; open it again; compare the digests."""
    payloads = [encode(envelope) for envelope in islice(campaign_log(options.events // 6), options.events)]
    with _temporary_folder() as folder:
        store = Store(folder / "memory.duckdb")
        start, cpu_start = time.perf_counter(), time.process_time()
        _fill(store, payloads)
        rebuild_s, rebuild_cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        digest = store.digest()
        store.close()
        start, cpu_start = time.perf_counter(), time.process_time()
        reopened = Store(folder / "memory.duckdb")
        open_s, open_cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
        assert reopened.digest() == digest
        reopened.close()
        file_mib = (folder / "memory.duckdb").stat().st_size / 2**20
        yield {
            "events": len(payloads), "rebuild_s": round(rebuild_s, 2), "rebuild_cpu_s": round(rebuild_cpu_s, 2),
            "open_s": round(open_s, 2), "open_cpu_s": round(open_cpu_s, 2),
            "file_mib": round(file_mib, 1), "rss_mib": resident_mib(),
        }  # fmt: skip


def queries(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time each query, its JSON included, at 1,000 and 10,000 experiments, as of positions near the end."""
    embedder = HashEmbedder()
    library = CognitionBase(load_entries(), embedder)
    for experiments in (1_000, 10_000):
        with _temporary_folder() as folder, Store(folder / "memory.duckdb") as store:
            _fill(store, [encode(envelope) for envelope in campaign_log(experiments)])
            motivations = MotivationIndex(store, embedder)
            campaign = store.read_model.campaign(CAMPAIGN_ID)
            motivations.catch_up(campaign, len(campaign.proposals))
            knowledge = Knowledge(store, motivations, library)
            for name, make_query in _query_makers(store).items():
                yield {"experiments": experiments, "query": name, **_time_answers(knowledge, make_query)}


def latency(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time one event after another from its publication to an answer that includes it, on the in-memory bus."""
    from bus.delivery.bus import Bus
    from bus.delivery.memory_transport import MemoryTransport
    from bus.wire import subjects
    from memory.service import MemoryService

    async def measure(store: Store, embedder: Embedder) -> list[float]:
        transport = MemoryTransport()
        memory = MemoryService(Bus(transport, "memory"), store, embedder)
        bus, task, times = Bus(transport, "analyst"), asyncio.create_task(memory.run()), []
        for envelope in campaign_log(300):
            start = time.perf_counter()
            await transport.publish(subjects.event_subject(envelope), encode(envelope), envelope.id)
            await bus.ask(AskCampaignStatus(campaign=CAMPAIGN_ID, at=envelope.seq))
            times.append((time.perf_counter() - start) * 1e3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return times

    kinds = {
        "event to campaign status": HashEmbedder,
        "event to campaign status while the sentence model loads": SentenceEmbedder,
    }
    for path, kind in kinds.items():
        with _temporary_folder() as folder, Store(folder / "memory.duckdb") as store:
            yield {"path": path, **_percentiles(asyncio.run(measure(store, kind())))}


def embedding(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time the sentence model: loading it, one text at a time, and many requests at once."""
    initial_mib, start = resident_mib(), time.perf_counter()
    embedder = SentenceEmbedder()
    embedder.encode(["ready"])
    yield {"load_s": round(time.perf_counter() - start, 1), "rss_mib": resident_mib(), "rss_before_mib": initial_mib}
    events = (envelope.event for envelope in campaign_log(400))
    texts = [event.motivation for event in events if isinstance(event, ProposalCreated)]
    cpu_start = time.process_time()
    times = [_elapsed_ms(lambda text=text: embedder.encode([text])) for text in texts[:60]]
    cpu_ms = (time.process_time() - cpu_start) / 60 * 1e3
    yield {"texts": "one at a time, 45 words", **_percentiles(times), "cpu_ms_each": round(cpu_ms, 1)}
    batch = texts[60:380]
    start, cpu_start = time.perf_counter(), time.process_time()
    for future in [embedder.submit([text]) for text in batch]:
        future.result()
    seconds, cpu_ms = time.perf_counter() - start, (time.process_time() - cpu_start) / len(batch) * 1e3
    yield {
        "texts": "320 requests at once",
        "cpu_ms_each": round(cpu_ms, 1),
        "per_s": round(len(batch) / seconds, 1),
        "rss_mib": resident_mib(),
    }


MEASUREMENTS: dict[str, Callable[[argparse.Namespace], Iterator[dict[str, object]]]] = {
    "rebuild": rebuild,
    "queries": queries,
    "latency": latency,
    "embedding": embedding,
}


def _query_makers(store: Store) -> dict[str, Callable[[int], Query]]:
    """Return functions that make a query about a position."""
    campaign = store.read_model.campaign(CAMPAIGN_ID)
    ids = [row.experiment for _, row in campaign.released]
    best = list(campaign.ranking(store.position))
    return {
        "campaign status": lambda at: AskCampaignStatus(campaign=CAMPAIGN_ID, at=at),
        "experiments, 5 of the pool": lambda at: AskExperiments(
            campaign=CAMPAIGN_ID, at=at, ids=tuple(best[at % 10 :: 10])
        ),
        "experiments, 5 old ones": lambda at: AskExperiments(
            campaign=CAMPAIGN_ID, at=at, ids=tuple(ids[at % 150 :: 150][:5])
        ),
        "experiments, a page of 100": lambda at: AskExperiments(campaign=CAMPAIGN_ID, at=at, after=at // 2, limit=100),
        "experiments, all": lambda at: AskExperiments(campaign=CAMPAIGN_ID, at=at),
        "peers": lambda at: AskPeers(campaign=CAMPAIGN_ID, at=at, experiment=ids[-(at % 50) - 60]),
        "neighbours of a text": lambda at: AskNeighbours(
            campaign=CAMPAIGN_ID, at=at, text=f"decay and delta {at % 40}", fingerprint=fingerprint("x = 1")
        ),
        "neighbours of a design": lambda at: AskNeighbours(
            campaign=CAMPAIGN_ID, at=at, design=random_idea(0, Random(at % 40))[2], fingerprint=fingerprint("x = 1")
        ),
        "cognition": lambda at: AskCognition(
            campaign=CAMPAIGN_ID, at=at, text=f"poor recall {at % 40}", min_similarity=0.0
        ),
    }


def _time_answers(knowledge: Knowledge, make_query: Callable[[int], Query]) -> dict[str, object]:
    times, cpu_times, size = [], [], 0
    for at in range(knowledge.store.position - 200, knowledge.store.position):
        start, cpu_start = time.perf_counter(), time.thread_time()
        size = len(answer(knowledge, make_query(at)).model_dump_json())
        times.append((time.perf_counter() - start) * 1e3)
        cpu_times.append((time.thread_time() - cpu_start) * 1e3)
        if sum(times) > 10_000:
            break
    return {**_percentiles(times), "p50_cpu_ms": round(median(cpu_times), 2), "reply_kib": round(size / 1024, 1)}


def _fill(store: Store, payloads: list[bytes]) -> None:
    for start in range(0, len(payloads), BATCH_EVENTS):
        batch = payloads[start : start + BATCH_EVENTS]
        store.apply([decode(payload, seq) for seq, payload in enumerate(batch, start + 1)])
        if store.pending_rows > COMMIT_ROWS:
            store.commit()
    store.commit()


def _percentiles(times: list[float]) -> dict[str, object]:
    return {"n": len(times), "p50_ms": round(median(times), 2), "p99_ms": round(quantiles(times, n=100)[-1], 2)}


def _elapsed_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def resident_mib() -> int:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
