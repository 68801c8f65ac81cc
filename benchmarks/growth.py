"""The costs of memory as it grows: `python -m benchmarks.growth`.

For each size, memory is rebuilt from the log of a synthetic campaign of that many experiments. Another process then
opens the file and continues the campaign: the lab's own roles, with an instant trainer, handle one event after the
other. It times each query to memory and each event that memory applies, so the mix of work is that of the real roles.

Costs are CPU milliseconds of the one thread that does memory's work; latencies are wall-clock times. The sentence
model runs in another thread and takes the same time at any size.

Sizes take turns, twice each, and the faster round of each counts, since other work on the machine may slow down either.
Prints a JSON object per round, then the tables of docs/benchmarks.md.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from benchmarks.campaign_log import CAMPAIGN_ID, START_TIME
from benchmarks.instant_trainer import TRAINER
from benchmarks.memory import resident_mib
from benchmarks.past import fill_memory, run_in_own_process
from bus.delivery.role import Post, Role, one_by_one
from bus.delivery.role_spec import RoleSpec
from bus.vocabulary.events import AnalysisReady, HumanMessage, ProposalRequested, Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive
from lab.roster import decider_specs
from memory.cognition import CognitionBase, load_entries
from memory.gc_tuning import collect_and_freeze
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import Embedder, SentenceEmbedder
from memory.retrieval.ideas import MotivationIndex
from memory.store import Store

WARM_UP_EXPERIMENTS = 100
"""Experiments before the measured ones: the first ones after a restart read the sources of the pool from the file."""
ROUNDS = 2
COMMIT_EXPERIMENTS = 50
"""Experiments between two transactions, as at a hundred a second."""


class Meter:
    """The costs of each step: CPU milliseconds of this thread, and wall-clock milliseconds."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.costs: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Measure the body of the `with` statement."""
        cpu_start, start = time.thread_time(), time.perf_counter()
        yield
        self.costs[step].append((1e3 * (time.thread_time() - cpu_start), 1e3 * (time.perf_counter() - start)))


class SequentialLab:
    """The whole lab in one thread: memory applies each event at once, and roles handle events in log order."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        """Continue the campaign in a store."""
        self.store = store
        self.motivations = MotivationIndex(store, embedder)
        self.knowledge = Knowledge(store, self.motivations, CognitionBase(load_entries(), embedder))
        specs = {**decider_specs(), "trainer": TRAINER}.values()
        self.roles: Sequence[tuple[RoleSpec, Role]] = [(spec, spec.decider()) for spec in specs if not spec.inbox]
        self.meter = Meter()
        self.pending: deque[Envelope] = deque()
        self.opened: set[str] = set()
        self.analysed = 0

    def run_until(self, budget: int) -> None:
        """Raise the campaign's budget and handle events until none is left."""
        self.publish("desk", Post(CAMPAIGN, HumanMessage(kind="budget", text=str(budget))))
        while self.pending:
            envelope = self.pending.popleft()
            for spec, role in self.roles:
                if isinstance(envelope.event, spec.subscribes):
                    self.decide(spec.name, role, envelope)

    def decide(self, name: str, role: Role, envelope: Envelope) -> None:
        """Answer the questions of a decision and publish its posts."""
        decision, reply = one_by_one(role.decide(envelope)), None
        while True:
            try:
                step = decision.send(reply)
            except StopIteration as last:
                for post in last.value:
                    self.publish(name, post)
                return
            reply = self.publish(name, step) if isinstance(step, Post) else self.ask(step)

    def ask(self, question: Question) -> Record:
        """Return memory's answer, encoded as for the wire; a question to anything else gets an empty reply."""
        if not isinstance(question, Query):
            return Record()
        with self.meter(f"ask {question.name}"):
            reply = answer(self.knowledge, question)
            to_json(reply)
        return reply

    def publish(self, role: str, post: Post) -> None:
        """Apply an event to memory and queue it for the roles; a slot is opened once, as the stream ensures."""
        if isinstance(post.event, ProposalRequested):
            if post.experiment in self.opened:
                return
            self.opened.add(post.experiment)
        seq = self.store.position + 1
        envelope = Envelope(
            derive("growth", seq), f"/lab/{role}/1", START_TIME, CAMPAIGN_ID, post.experiment, post.event, None, seq
        )
        with self.meter("apply an event"):
            assert self.store.apply([envelope]) == []
        if isinstance(post.event, AnalysisReady):
            self.analysed += 1
            if self.analysed % COMMIT_EXPERIMENTS == 0:
                with self.meter("commit"):
                    self.store.commit()
        self.pending.append(envelope)


def measure(path: Path, experiments: int, turns: int) -> dict[str, Any]:
    """Open a file as after a restart, continue its campaign, and return the costs of an experiment."""
    embedder = SentenceEmbedder()
    embedder.encode(["ready"])
    mib_before, cpu_start, start = resident_mib(), time.thread_time(), time.perf_counter()
    with Store(path) as store:
        lab = SequentialLab(store, embedder)
        collect_and_freeze()
        open_cpu_s, open_s = time.thread_time() - cpu_start, time.perf_counter() - start
        held_mib = resident_mib() - mib_before
        lab.run_until(experiments + WARM_UP_EXPERIMENTS)
        lab.meter.costs.clear()
        cpu_start, lab.analysed = time.thread_time(), 0
        lab.run_until(experiments + WARM_UP_EXPERIMENTS + turns)
        cpu_ms = 1e3 * (time.thread_time() - cpu_start)
        grown_mib = resident_mib() - mib_before
    steps = {step: _statistics(times, lab.analysed) for step, times in sorted(lab.meter.costs.items())}
    memory_cpu_ms = sum(step["cpu_ms"] for step in steps.values())
    return {
        "experiments": experiments,
        "turns": lab.analysed,
        "open_cpu_s": round(open_cpu_s, 1),
        "open_s": round(open_s, 1),
        "holds_mib": held_mib,
        "grown_mib": grown_mib,
        "file_mib": round(path.stat().st_size / 2**20),
        "steps": steps,
        "memory_cpu_ms": round(memory_cpu_ms, 3),
        "roles_cpu_ms": round(cpu_ms / lab.analysed - memory_cpu_ms, 3),
    }


def _statistics(times: Sequence[tuple[float, float]], turns: int) -> dict[str, float]:
    """Return the CPU time of a step per experiment, how often an experiment takes it, and its latencies."""
    cpu_ms, wall_ms = zip(*times, strict=True)
    p50, p99 = np.percentile(wall_ms, [50, 99])
    return {
        "cpu_ms": round(sum(cpu_ms) / turns, 3),
        "times": round(len(times) / turns, 2),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


def table_lines(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables: costs of an experiment, latencies of queries, and one-time costs."""
    sizes = " | ".join(f"{size['experiments']:,}" for size in results)
    rule = "| --- " * (len(results) + 1)
    yield f"| CPU ms an experiment | times | {sizes} | grown |\n{rule}| --- | --- |"
    for step in sorted(set.intersection(*(set(size["steps"]) for size in results))):
        costs = [size["steps"][step] for size in results]
        yield _row(step, [cost["cpu_ms"] for cost in costs], str(costs[0]["times"]))
    yield _row("memory in total", [size["memory_cpu_ms"] for size in results], "")
    yield _row("the roles", [size["roles_cpu_ms"] for size in results], "")
    yield f"\n| p50 / p99 ms | {sizes} |\n{rule}|"
    for step in (step for step in results[0]["steps"] if step.startswith("ask")):
        spread = (f"{size['steps'][step]['p50_ms']} / {size['steps'][step]['p99_ms']}" for size in results)
        yield f"| {step} | {' | '.join(spread)} |"
    yield f"\n| once | {sizes} |\n{rule}|"
    for name in (name for name, value in results[0].items() if name.endswith(("_s", "_mib", "events"))):
        yield f"| {name} | {' | '.join(f'{size[name]:,}' for size in results)} |"


def _row(step: str, costs: Sequence[float], times: str) -> str:
    """Return a line with a step's costs at each size, and the ratio of the last to the first."""
    return f"| {step} | {times} | {' | '.join(f'{cost:.2f}' for cost in costs)} | {costs[-1] / costs[0]:.2f} |"


def main() -> None:
    """Measure each size, and print JSON and tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="experiments in memory")
    parser.add_argument("--turns", type=int, default=300, help="experiments measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = {size: Path(scratch) / f"{size}.duckdb" for size in options.sizes}
        rebuilds = {size: run_in_own_process(partial(fill_memory, path, size)) for size, path in paths.items()}
        rounds: dict[int, list[dict[str, Any]]] = {size: [] for size in paths}
        for _ in range(ROUNDS):
            for size, path in paths.items():
                shutil.copy(path, place := Path(scratch) / "measured.duckdb")
                rounds[size].append(rebuilds[size] | run_in_own_process(partial(measure, place, size, options.turns)))
                print(json.dumps(rounds[size][-1]), flush=True)
    print("", *table_lines([min(results, key=itemgetter("memory_cpu_ms")) for results in rounds.values()]), sep="\n")


if __name__ == "__main__":
    main()
