"""Whether memory stays as quick while it grows: `python -m benchmarks.growth`.

For each size a file is filled with a made-up campaign of so many experiments, whose ideas are put together from the
clauses of bred ones. A process of its own then opens it, and the campaign goes on: the lab's own roles decide, an
instant trainer among them, one event after the other, and each question that they put to memory and each event that it
learns is timed. So the mix of work is that of the roles as they are. Times are CPU milliseconds of the one thread that
does memory's work; embedding a clause that was never met is another thread's, and the same at any size.

Prints a JSON object for each size, then each step's ratio of the largest size to the smallest.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydantic import JsonValue
from pydantic_core import to_json

from agents.analyst import Analyst
from agents.director import Director
from agents.engineer import Engineer
from agents.researcher import Researcher
from benchmarks.campaign_log import BEGUN, NAME, Ideas, campaign_log
from benchmarks.instant_trainer import InstantTrainer
from benchmarks.memory import resident
from benchmarks.novelty import population
from bus.envelope import Envelope
from bus.events import AnalysisReady, HumanMessage, ProposalCreated, ProposalRequested, Record
from bus.ids import CAMPAIGN, derive
from bus.queries import Query
from bus.role import Post, Question, Role
from memory import vectors
from memory.answers import answer
from memory.cognition import Library, load_entries
from memory.embedding import CLAUSE, Embedder, SentenceEmbedder
from memory.garbage import settle
from memory.projections import Embedded
from memory.store import Store

STOCK = 400
"""Bred ideas whose clauses the made-up ones consist of."""
WARM = 100
"""Experiments before the measured ones: the first after a restart read the sources of the pool from the file."""
COMMIT_EVERY = 50
"""Experiments between two transactions, as at a hundred a second."""


class Meter:
    """CPU milliseconds of this thread, by what they were spent on."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self.spent: defaultdict[str, list[float]] = defaultdict(list)

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Measure what is done within."""
        begun = time.thread_time()
        yield
        self.spent[step].append(1e3 * (time.thread_time() - begun))


class Chain:
    """The whole lab in one thread: what is said is learned at once, and decided upon in the order of the log."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        """Go on from what a store holds."""
        self.store = store
        self.ideas = vectors.Ideas(store, embedder)
        self.library = Library(load_entries(), embedder)
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

    def decide(self, role: Role, said: Envelope) -> None:
        """Answer what a role asks and say what it says."""
        decision, reply = role.decide(said), None
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
                course = self.store.ledger.course(NAME)
                self.ideas.catch_up(course, len(course.proposals))
        if isinstance(post.event, AnalysisReady):
            self.analysed += 1
            if self.analysed % COMMIT_EVERY == 0:
                with self.meter("commit"):
                    self.store.commit()
        self.waiting.append(said)


def recombined(stock: Sequence[ProposalCreated]) -> Ideas:
    """Return ideas that each take a source and a design from one of the stock, and their clauses from all of it."""
    clauses = [CLAUSE.split(idea.motivation) for idea in stock]

    def idea(slot: int, rng: Random) -> tuple[str, str, dict[str, JsonValue]]:
        base = rng.choice(stock)
        words = [rng.choice(rng.choice(clauses)) for _ in rng.choice(clauses)]
        return ". ".join(words), f"{base.source}\n# {slot}\n", base.design or {}

    return idea


def fill(path: Path, experiments: int) -> None:
    """Write a file that holds a finished campaign of so many experiments, with the vectors of its ideas."""
    ideas, embedder = recombined(population(STOCK, Random(0))), SentenceEmbedder()
    with Store(path) as store:
        proposed: list[Envelope] = []
        for said in campaign_log(experiments, ideas=ideas):
            assert store.apply([said]) == []
            if isinstance(said.event, ProposalCreated):
                proposed.append(said)
                if len(proposed) == 256:
                    _keep(store, embedder, proposed)
            if store.unwritten > 20_000:
                store.commit()
        _keep(store, embedder, proposed)


def _keep(store: Store, embedder: Embedder, proposed: list[Envelope]) -> None:
    """Keep vectors with a novelty that nothing here reads: to work it out is what is measured later."""
    found = embedder.encode([said.event.motivation for said in proposed if isinstance(said.event, ProposalCreated)])
    for said, vector in zip(proposed, found, strict=True):
        store.keep(Embedded(said.seq, NAME, said.experiment, embedder.name, 0.1, vector.tobytes()))
    proposed.clear()


def measured(path: Path, experiments: int, turns: int) -> dict[str, Any]:
    """Open a file as after a restart, let the campaign go on, and return what an experiment cost."""
    embedder = SentenceEmbedder()
    embedder.encode(["ready"])
    before, begun = resident(), time.thread_time()
    with Store(path) as store:
        chain = Chain(store, embedder)
        settle()
        opened, holds = time.thread_time() - begun, resident() - before
        chain.go_on(experiments + WARM)
        chain.meter.spent.clear()
        begun, chain.analysed = time.thread_time(), 0
        chain.go_on(experiments + WARM + turns)
        busy = 1e3 * (time.thread_time() - begun)
        grown = resident() - before
    steps = {step: _told(times, chain.analysed) for step, times in sorted(chain.meter.spent.items())}
    memory = sum(sum(times) for times in chain.meter.spent.values())
    return {
        "experiments": experiments, "turns": chain.analysed, "open_cpu_s": round(opened, 1), "holds_mib": holds,
        "grown_mib": grown, "rss_mib": resident(), "file_mib": round(path.stat().st_size / 2**20),
        "memory_cpu_ms": round(memory / chain.analysed, 3), "roles_cpu_ms": round((busy - memory) / chain.analysed, 3),
        "steps": steps,
    }  # fmt: skip


def _told(times: Sequence[float], turns: int) -> dict[str, float]:
    """Return what a step cost an experiment, and how that spreads over the times it was done."""
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "of_an_experiment": round(sum(times) / turns, 3),
        "times": round(len(times) / turns, 2),
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
    }


def ratios(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """Return by what each step's cost grew, and in sum."""
    grown = {
        step: round(cost["of_an_experiment"] / small["steps"][step]["of_an_experiment"], 2)
        for step, cost in large["steps"].items()
        if step in small["steps"]
    }
    return {**grown, "memory": round(large["memory_cpu_ms"] / small["memory_cpu_ms"], 3)}


def main() -> None:
    """Measure each size and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="experiments held")
    parser.add_argument("--turns", type=int, default=300, help="experiments that go on from there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        told = []
        for size in chosen.sizes:
            path = Path(scratch) / f"{size}.duckdb"
            _apart(partial(fill, path, size))
            told.append(_apart(partial(measured, path, size, chosen.turns)))
            print(json.dumps(told[-1]), flush=True)
    print(json.dumps({"ratios": ratios(told[0], told[-1])}))


def _apart(work: Callable[[], Any]) -> Any:
    """Do it in a process of its own, so that what it holds is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work).result()


if __name__ == "__main__":
    main()
