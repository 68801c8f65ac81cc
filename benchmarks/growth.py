"""Whether memory stays as quick while it grows: `python -m benchmarks.growth`.

For each size memory is rebuilt from the log of a made-up campaign of so many experiments. A process of its own then
opens the file, and the campaign goes on: the lab's own roles decide, an instant trainer among them, one event after the
other, and each question that they put to memory and each event that it learns is timed. So the mix of work is that of
the roles as they are. Costs are CPU milliseconds of the one thread that does memory's work, latencies are by the clock;
embedding a clause that was never met is another thread's, and the same at any size.

Sizes are measured in turns, two times each, and of each the quicker counts: what else a machine does slows one or the
other. Prints a JSON object for each, then the tables of docs/benchmarks.md.
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

from agents.roles.analyst import Analyst
from agents.roles.director import Director
from agents.roles.engineer import Engineer
from agents.roles.researcher import Researcher
from benchmarks.campaign_log import BEGUN, NAME
from benchmarks.instant_trainer import InstantTrainer
from benchmarks.memory import resident
from benchmarks.past import apart, fill
from bus.delivery.role import Post, Role
from bus.vocabulary.events import AnalysisReady, HumanMessage, ProposalCreated, ProposalRequested, Record
from bus.vocabulary.queries import Query
from bus.vocabulary.questions import Question
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive
from memory.answers import answer
from memory.cognition import CognitionBase, load_entries
from memory.gc_tuning import collect_and_freeze
from memory.retrieval import ideas
from memory.retrieval.embedding import Embedder, SentenceEmbedder
from memory.store import Store

WARM = 100
"""Experiments before the measured ones: the first after a restart read the sources of the pool from the file."""
ROUNDS = 2
COMMIT_EVERY = 50
"""Experiments between two transactions, as at a hundred a second."""


class Meter:
    """What each step cost: CPU milliseconds of this thread, and milliseconds by the clock."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.spent: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Measure what is done within."""
        busy, begun = time.thread_time(), time.perf_counter()
        yield
        self.spent[step].append((1e3 * (time.thread_time() - busy), 1e3 * (time.perf_counter() - begun)))


class Chain:
    """The whole lab in one thread: what is said is learned at once, and decided upon in the order of the log."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        """Go on from what a store holds."""
        self.store = store
        self.ideas = ideas.MotivationIndex(store, embedder)
        self.library = CognitionBase(load_entries(), embedder)
        self.roles: Sequence[Role] = (Director(), Researcher(), Engineer(), InstantTrainer(), Analyst())
        self.meter = Meter()
        self.waiting: deque[Envelope] = deque()
        self.opened: set[str] = set()
        self.analysed = 0

    def go_on(self, budget: int) -> None:
        """Raise the campaign's budget and do what there is to do."""
        self.say("desk", Post(CAMPAIGN, HumanMessage(kind="budget", text=str(budget))))
        while self.waiting:
            said = self.waiting.popleft()
            for role in self.roles:
                if isinstance(said.event, role.handles):
                    self.decide(role, said)

    def decide(self, role: Role, envelope: Envelope) -> None:
        """Answer what a role asks and say what it says."""
        decision, reply = role.decide(envelope), None
        while True:
            try:
                asked = decision.send(reply)
            except StopIteration as last:
                for post in last.value:
                    self.say(role.name, post)
                return
            reply = self.say(role.name, asked) if isinstance(asked, Post) else self.ask(asked)

    def ask(self, question: Question) -> Record:
        """Return memory's answer, its JSON written as for the wire; who asks for a pause gets none."""
        if not isinstance(question, Query):
            return Record()
        with self.meter(f"ask {question.name}"):
            reply = answer(self.store, self.ideas, self.library, question)
            to_json(reply)
        return reply

    def say(self, role: str, post: Post) -> None:
        """Let memory learn a fact, and everybody hear of it; a slot is opened once, as the stream sees to."""
        if isinstance(post.event, ProposalRequested):
            if post.experiment in self.opened:
                return
            self.opened.add(post.experiment)
        seq = self.store.position + 1
        said = Envelope(derive("growth", seq), f"/lab/{role}/1", BEGUN, NAME, post.experiment, post.event, None, seq)
        with self.meter("learn an event"):
            assert self.store.apply([said]) == []
        if isinstance(post.event, ProposalCreated):
            with self.meter("take a motivation up"):
                course = self.store.read_model.campaign(NAME)
                self.ideas.catch_up(course, len(course.proposals))
        if isinstance(post.event, AnalysisReady):
            self.analysed += 1
            if self.analysed % COMMIT_EVERY == 0:
                with self.meter("commit"):
                    self.store.commit()
        self.waiting.append(said)


def measured(path: Path, experiments: int, turns: int) -> dict[str, Any]:
    """Open a file as after a restart, let the campaign go on, and return what an experiment cost."""
    embedder = SentenceEmbedder()
    embedder.encode(["ready"])
    before, begun, clock = resident(), time.thread_time(), time.perf_counter()
    with Store(path) as store:
        chain = Chain(store, embedder)
        collect_and_freeze()
        opened, waited, holds = time.thread_time() - begun, time.perf_counter() - clock, resident() - before
        chain.go_on(experiments + WARM)
        chain.meter.spent.clear()
        begun, chain.analysed = time.thread_time(), 0
        chain.go_on(experiments + WARM + turns)
        busy = 1e3 * (time.thread_time() - begun)
        grown = resident() - before
    steps = {step: _told(times, chain.analysed) for step, times in sorted(chain.meter.spent.items())}
    memory = sum(step["cpu_ms"] for step in steps.values())
    return {
        "experiments": experiments,
        "turns": chain.analysed,
        "open_cpu_s": round(opened, 1),
        "open_s": round(waited, 1),
        "holds_mib": holds,
        "grown_mib": grown,
        "file_mib": round(path.stat().st_size / 2**20),
        "steps": steps,
        "memory_cpu_ms": round(memory, 3),
        "roles_cpu_ms": round(busy / chain.analysed - memory, 3),
    }


def _told(times: Sequence[tuple[float, float]], turns: int) -> dict[str, float]:
    """Return what a step cost an experiment, how often one took it, and how long it took by the clock."""
    busy, waited = zip(*times, strict=True)
    p50, p99 = np.percentile(waited, [50, 99])
    return {
        "cpu_ms": round(sum(busy) / turns, 3),
        "times": round(len(times) / turns, 2),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


def tables(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables: what an experiment costs, how long a question takes, and what does not recur."""
    sizes = " | ".join(f"{size['experiments']:,}" for size in told)
    rule = "| --- " * (len(told) + 1)
    yield f"| CPU ms an experiment | times | {sizes} | grown |\n{rule}| --- | --- |"
    for step in sorted(set.intersection(*(set(size["steps"]) for size in told))):
        costs = [size["steps"][step] for size in told]
        yield _row(step, [cost["cpu_ms"] for cost in costs], str(costs[0]["times"]))
    yield _row("memory in sum", [size["memory_cpu_ms"] for size in told], "")
    yield _row("the roles beside it", [size["roles_cpu_ms"] for size in told], "")
    yield f"\n| p50 / p99 ms | {sizes} |\n{rule}|"
    for step in (step for step in told[0]["steps"] if step.startswith("ask")):
        spread = (f"{size['steps'][step]['p50_ms']} / {size['steps'][step]['p99_ms']}" for size in told)
        yield f"| {step} | {' | '.join(spread)} |"
    yield f"\n| once | {sizes} |\n{rule}|"
    for name in (name for name, value in told[0].items() if name.endswith(("_s", "_mib", "events"))):
        yield f"| {name} | {' | '.join(f'{size[name]:,}' for size in told)} |"


def _row(step: str, costs: Sequence[float], times: str) -> str:
    """Return a line with a step's costs at each size, and by what the last differs from the first."""
    return f"| {step} | {times} | {' | '.join(f'{cost:.2f}' for cost in costs)} | {costs[-1] / costs[0]:.2f} |"


def main() -> None:
    """Measure each size and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="experiments held")
    parser.add_argument("--turns", type=int, default=300, help="experiments that go on from there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = {size: Path(scratch) / f"{size}.duckdb" for size in chosen.sizes}
        told = {size: apart(partial(fill, path, size)) for size, path in paths.items()}
        rounds: dict[int, list[dict[str, Any]]] = {size: [] for size in paths}
        for _ in range(ROUNDS):
            for size, path in paths.items():
                shutil.copy(path, place := Path(scratch) / "measured.duckdb")
                rounds[size].append(told[size] | apart(partial(measured, place, size, chosen.turns)))
                print(json.dumps(rounds[size][-1]), flush=True)
    print("", *tables([min(taken, key=itemgetter("memory_cpu_ms")) for taken in rounds.values()]), sep="\n")


if __name__ == "__main__":
    main()
