"""What memory costs: rebuilding, opening, each query, the way from an event to an answer, and embeddings.

    python -m benchmarks.memory rebuild|queries|latency|embedding|retrieval [--events N]

Prints one JSON document a measurement. Times are wall clock in milliseconds unless named otherwise.
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
from pathlib import Path
from statistics import median, quantiles

from benchmarks.campaign_log import NAME, campaign_log
from bus.vocabulary.events import ProposalCreated
from bus.vocabulary.queries import AskCognition, AskExperiments, AskNeighbours, AskPeers, AskStanding, Query
from bus.wire.envelope import decode, encode
from bus.wire.ids import fingerprint
from memory.answers import answer
from memory.cognition import CognitionBase, load_entries
from memory.retrieval.embedding import Embedder, HashEmbedder, SentenceEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store


def main() -> None:
    """Run the measurements that were named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[*MEASURES, []], help="measurements")
    parser.add_argument("--events", type=int, default=100_000, help="events of the rebuild")
    chosen = parser.parse_args()
    for name in chosen.what or MEASURES:
        for figures in MEASURES[name](chosen):
            sys.stdout.write(json.dumps({"measure": name, **figures}) + "\n")
            sys.stdout.flush()


def rebuild(chosen: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Fill an empty file from the bytes of a log, as after a deletion; open it again; compare the digests."""
    payloads = [encode(said) for said, _ in zip(campaign_log(chosen.events // 6), range(chosen.events), strict=False)]
    with _folder() as folder:
        store = Store(folder / "memory.duckdb")
        begun, begun_busy = time.perf_counter(), time.process_time()
        _fill(store, payloads)
        seconds, busy = time.perf_counter() - begun, time.process_time() - begun_busy
        digest = store.digest()
        store.close()
        begun, begun_busy = time.perf_counter(), time.process_time()
        again = Store(folder / "memory.duckdb")
        opened, opened_busy = time.perf_counter() - begun, time.process_time() - begun_busy
        assert again.digest() == digest
        again.close()
        size = (folder / "memory.duckdb").stat().st_size / 2**20
        yield {
            "events": len(payloads), "rebuild_s": round(seconds, 2), "rebuild_cpu_s": round(busy, 2),
            "open_s": round(opened, 2), "open_cpu_s": round(opened_busy, 2),
            "file_mib": round(size, 1), "rss_mib": resident(),
        }  # fmt: skip


def queries(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time each query, its JSON included, at 1,000 and 10,000 experiments, as of positions near the end."""
    embedder = HashEmbedder()
    library = CognitionBase(load_entries(), embedder)
    for experiments in (1_000, 10_000):
        with _folder() as folder, Store(folder / "memory.duckdb") as store:
            _fill(store, [encode(said) for said in campaign_log(experiments)])
            ideas = MotivationIndex(store, embedder)
            course = store.read_model.campaign(NAME)
            ideas.catch_up(course, len(course.proposals))
            for name, ask in _questions(store).items():
                yield {"experiments": experiments, "query": name, **_timed(store, ideas, library, ask)}


def latency(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time an event's way from publication to an answer that knows of it, one at a time, on the in-memory bus."""
    from bus.delivery.bus import Bus
    from bus.delivery.memory_transport import MemoryTransport
    from bus.wire import subjects
    from memory.service import MemoryService

    async def measured(store: Store, embedder: Embedder) -> list[float]:
        transport = MemoryTransport()
        memory = MemoryService(Bus(transport, "memory"), store, embedder)
        asker, running, times = Bus(transport, "analyst"), asyncio.create_task(memory.run()), []
        for said in campaign_log(300):
            begun = time.perf_counter()
            await transport.publish(subjects.event_subject(said), encode(said), said.id)
            await asker.ask(AskStanding(campaign=NAME, at=said.seq))
            times.append((time.perf_counter() - begun) * 1e3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return times

    kinds = {"event to standing": HashEmbedder, "the same while the sentence model loads and embeds": SentenceEmbedder}
    for path, kind in kinds.items():
        with _folder() as folder, Store(folder / "memory.duckdb") as store:
            yield {"path": path, **_spread(asyncio.run(measured(store, kind())))}


def embedding(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Time the sentence model: its loading, one text, and texts that come together."""
    before, begun = resident(), time.perf_counter()
    embedder = SentenceEmbedder()
    embedder.encode(["ready"])
    yield {"load_s": round(time.perf_counter() - begun, 1), "rss_mib": resident(), "rss_before_mib": before}
    events = (said.event for said in campaign_log(400))
    texts = [event.motivation for event in events if isinstance(event, ProposalCreated)]
    busy = time.process_time()
    times = [_milliseconds(lambda text=text: embedder.encode([text])) for text in texts[:60]]
    each = (time.process_time() - busy) / 60 * 1e3
    yield {"texts": "one at a time, 45 words", **_spread(times), "cpu_ms_each": round(each, 1)}
    together = texts[60:380]
    begun, busy = time.perf_counter(), time.process_time()
    for future in [embedder.submit([text]) for text in together]:
        future.result()
    seconds, each = time.perf_counter() - begun, (time.process_time() - busy) / len(together) * 1e3
    yield {
        "texts": "320 requests at once",
        "cpu_ms_each": round(each, 1),
        "per_s": round(len(together) / seconds, 1),
        "rss_mib": resident(),
    }


def retrieval(_: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Ask the cognition base the problems of a small answer key, for each choice of what entries are compared by."""
    from benchmarks.retrieval_key import PROBLEMS

    entries, embedder = load_entries(), SentenceEmbedder()
    choices: dict[str, Callable[..., str]] = {
        "scenario": lambda entry: entry.scenario,
        "algorithm": lambda entry: entry.algorithm,
        "scenario + algorithm": lambda entry: f"{entry.scenario} {entry.algorithm}",
        "title + scenario": lambda entry: f"{entry.title}. {entry.scenario}",
        "title + scenario + algorithm": lambda entry: f"{entry.title}. {entry.scenario} {entry.algorithm}",
    }
    for name, choice in choices.items():
        vectors = embedder.encode([choice(entry) for entry in entries])
        found = [(vectors @ embedder.encode([problem])[0], keys) for problem, keys in PROBLEMS]
        ranked = [([entries[at].key for at in (-near).argsort()[:3]], max(near), keys) for near, keys in found]
        yield {
            "entries": len(entries), "problems": len(ranked), "compared_by": name,
            "hit_at_1": sum(top[0] in keys for top, _, keys in ranked),
            "hit_at_3": sum(bool(set(top) & set(keys)) for top, _, keys in ranked),
            "median_best_cosine": round(float(median(near for _, near, _ in ranked)), 3),
        }  # fmt: skip


MEASURES: dict[str, Callable[[argparse.Namespace], Iterator[dict[str, object]]]] = {
    "rebuild": rebuild,
    "queries": queries,
    "latency": latency,
    "embedding": embedding,
    "retrieval": retrieval,
}


def _questions(store: Store) -> dict[str, Callable[[int], Query]]:
    """Return how each query is asked at a position."""
    course = store.read_model.campaign(NAME)
    ids = [row.experiment for _, row in course.released]
    best = list(course.ranking(store.position))
    return {
        "standing": lambda at: AskStanding(campaign=NAME, at=at),
        "experiments, 5 of the pool": lambda at: AskExperiments(campaign=NAME, at=at, ids=tuple(best[at % 10 :: 10])),
        "experiments, 5 old ones": lambda at: AskExperiments(campaign=NAME, at=at, ids=tuple(ids[at % 150 :: 150][:5])),
        "experiments, a page of 100": lambda at: AskExperiments(campaign=NAME, at=at, after=at // 2, limit=100),
        "experiments, all": lambda at: AskExperiments(campaign=NAME, at=at),
        "peers": lambda at: AskPeers(campaign=NAME, at=at, experiment=ids[-(at % 50) - 60]),
        "neighbours": lambda at: AskNeighbours(
            campaign=NAME, at=at, text=f"decay and delta {at % 40}", fingerprint=fingerprint("x = 1")
        ),
        "cognition": lambda at: AskCognition(campaign=NAME, at=at, text=f"poor recall {at % 40}", min_similarity=0.0),
    }


def _timed(
    store: Store, ideas: MotivationIndex, library: CognitionBase, ask: Callable[[int], Query]
) -> dict[str, object]:
    times, busy, size = [], [], 0
    for at in range(store.position - 200, store.position):
        begun, begun_busy = time.perf_counter(), time.thread_time()
        size = len(answer(store, ideas, library, ask(at)).model_dump_json())
        times.append((time.perf_counter() - begun) * 1e3)
        busy.append((time.thread_time() - begun_busy) * 1e3)
        if sum(times) > 10_000:
            break
    return {**_spread(times), "p50_cpu_ms": round(median(busy), 2), "reply_kib": round(size / 1024, 1)}


def _fill(store: Store, payloads: list[bytes]) -> None:
    for first in range(0, len(payloads), 256):
        store.apply([decode(payload, seq) for seq, payload in enumerate(payloads[first : first + 256], first + 1)])
        if store.pending_rows > 5000:
            store.commit()
    store.commit()


def _spread(times: list[float]) -> dict[str, object]:
    return {"n": len(times), "p50_ms": round(median(times), 2), "p99_ms": round(quantiles(times, n=100)[-1], 2)}


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1e3


def resident() -> int:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
