"""Search policies compared on simulated landscapes, driven through the lab's own director, researcher and analyst.

    python -m benchmarks.landscape [--policy NAME ...] [--searches N] [--seed S]

A landscape gives every design a true loss: the sum of its units' effects and of the effects of some pairs. A trial
shows it with the noise of one seed. Nothing is checked or trained, but everything that chooses is real: policies,
operators, novelty, fitness, memory and its forecasts. Prints one line per policy: the mean true gain over the best
baseline, in nats per byte, of the design with the best observed loss after so many trials. Higher is better, and 0 is
the baseline.

A sum of effects flatters models of sums: read the order of the policies, not the values.
"""

import argparse
import math
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from agents.design import BASELINES
from agents.search import policies, policy_class
from benchmarks import instant_trainer
from bus.delivery.role import Decision, Post, Role
from bus.vocabulary.events import CampaignStarted, Event, Limits, ProposalCreated, Record, RunCompleted
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive, rng, run_id
from lab.roster import role_spec
from memory.cognition import CognitionBase, load_entries
from memory.forecasts.features import tokens
from memory.queries import Knowledge, answer
from memory.retrieval.embedding import HashEmbedder
from memory.store import Store

MEAN_LOSS = 2.45
"""Loss around which designs lie, nats per byte."""
UNIT_SPREAD, PAIR_SPREAD, PAIR_SHARE = 0.012, 0.012, 0.06
"""Standard deviations of the effects of a unit and of a pair, nats per byte, and the share of pairs with an effect."""
SEED_NOISE = 0.018
"""Standard deviation of a loss over seeds, as measured at nano."""
MILESTONES = (20, 50, 100)
"""Trials after which the incumbent is judged."""
SLOTS = 2


@dataclass(frozen=True)
class Landscape:
    """True losses of designs, drawn by a seed."""

    seed: int

    def true_loss(self, design: Any) -> float:
        """Return the loss of a design without noise."""
        units = sorted(tokens(design))
        return MEAN_LOSS + sum(map(self._unit, units)) + sum(self._pair(*pair) for pair in combinations(units, 2))

    @cache  # noqa: B019  (a landscape lives as long as the process)
    def _unit(self, unit: str) -> float:
        return rng(derive(self.seed, unit), "unit").gauss(0, UNIT_SPREAD)

    @cache  # noqa: B019  (the same)
    def _pair(self, a: str, b: str) -> float:
        draws = rng(derive(self.seed, a, b), "pair")
        return draws.gauss(0, PAIR_SPREAD) if draws.random() < PAIR_SHARE else 0.0


@dataclass
class Search:
    """One campaign on a landscape."""

    landscape: Landscape
    store: Store
    started: CampaignStarted
    losses: list[tuple[float, float]] = field(default_factory=list)
    """Observed and true loss of every trial, baselines left out."""
    best_baseline: float = math.inf
    """True loss of the best baseline."""
    log: list[Envelope] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build the roles."""
        self._roles = {name: _built(name) for name in ("director", "researcher", "analyst")}
        self._knowledge = Knowledge(self.store, cognition=_cognition())
        self._queue: deque[Envelope] = deque()
        self._once: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Carry the campaign out, one event after another."""
        self._publish("director", Post(CAMPAIGN, self.started), None, 0)
        while self._queue:
            envelope = self._queue.popleft()
            if isinstance(envelope.event, ProposalCreated):
                self._publish("trainer", Post(envelope.experiment, self._trial(envelope)), envelope, 0)
            for name, role in self._roles.items():
                if isinstance(envelope.event, role_spec(name).subscribes):
                    for ordinal, post in enumerate(self._posts(role.decide(envelope))):
                        self._publish(name, post, envelope, ordinal)

    def gains(self) -> Iterator[float]:
        """Yield the incumbent's true gain over the best baseline at each milestone."""
        for trials in MILESTONES:
            _, true_loss = min(self.losses[:trials])
            yield self.best_baseline - true_loss

    def _trial(self, envelope: Envelope) -> RunCompleted:
        """Return the run of a proposal without a check and without training."""
        assert isinstance(envelope.event, ProposalCreated)
        true_loss = self.landscape.true_loss(envelope.event.design)
        noise = rng(derive(envelope.campaign, envelope.experiment), "noise").gauss(0, SEED_NOISE)
        if envelope.experiment.startswith("base-"):
            self.best_baseline = min(self.best_baseline, true_loss)
        else:
            self.losses.append((true_loss + noise, true_loss))
        metrics = instant_trainer.metrics(true_loss + noise, recall=0.9, size=0.5)
        run = run_id(envelope.experiment, 0)
        return RunCompleted(run=run, worker="1", metrics=metrics, weights="", weights_sha256="0" * 64)

    def _posts(self, decision: Decision) -> Iterator[Post]:
        """Yield the posts of a decision and answer its queries."""
        reply: Record | None = None
        try:
            while True:
                step: Any = decision.send(reply)
                if isinstance(step, Post):
                    yield step
                reply = None if isinstance(step, Post) else answer(self._knowledge, step)
        except StopIteration as stop:
            yield from stop.value or ()

    def _publish(self, role: str, post: Post, cause: Envelope | None, ordinal: int) -> None:
        """Append an event to the log, unless it is allowed once and there is one."""
        event: Event = post.event
        key = (post.experiment, type(event).__name__)
        if type(event).once and key in self._once:
            return
        self._once.add(key)
        identity = derive(cause.id if cause else self._campaign, role, ordinal)
        seq, now = self.store.position + 1, datetime.now(UTC)
        envelope = Envelope(identity, f"/lab/{role}/1", now, self._campaign, post.experiment, event, None, seq)
        assert self.store.apply([envelope]) == []
        self.log.append(envelope)
        self._queue.append(envelope)

    @property
    def _campaign(self) -> str:
        return f"nano-{self.started.seed}-{self.started.policy.replace('_', '-')}"


@cache
def _cognition() -> CognitionBase:
    return CognitionBase(load_entries(), HashEmbedder())


def _built(name: str) -> Role:
    build = role_spec(name).build
    assert build, f"{name} has no decider"
    return build()


def search(policy: str, seed: int, trials: int) -> Search:
    """Return a finished search; the seed determines its landscape and its draws."""
    parameters = policy_class(policy).sized_for(trials, len(BASELINES)).model_dump(mode="json")
    started = CampaignStarted(
        goal="", seed=seed, scale="nano", experiments=trials, slots=SLOTS, baselines=tuple(BASELINES),
        limits=Limits(seconds=1, memory_mb=1), policy=policy, policy_parameters=parameters,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        one = Search(Landscape(seed), store, started)
        one.run()
        return one


def _row(policy: str, searches: Sequence[Search], cpu_s: float) -> str:
    """Return a policy's line of the table."""
    columns = zip(*(each.gains() for each in searches), strict=True)
    cells = [f"{fmean(gains):.3f} ± {_error(gains):.3f}" for gains in columns]
    cpu_ms = 1e3 * cpu_s / sum(len(each.losses) for each in searches)
    return f"| `{policy}` | {' | '.join(cells)} | {cpu_ms:.0f} |"


def _error(values: Sequence[float]) -> float:
    """Return the standard error of a mean."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", nargs="*", default=sorted(policies()), help="search policies")
    parser.add_argument("--searches", type=int, default=8, help="searches of each policy, each on its own landscape")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first landscape")
    options = parser.parse_args()
    milestones = " | ".join(f"after {trials}" for trials in MILESTONES)
    print(f"| policy | {milestones} | CPU ms a trial |\n| --- | --- | --- | --- | --- |")
    for policy in options.policy:
        start = time.process_time()
        seeds = range(options.seed, options.seed + options.searches)
        searches = [search(policy, seed, MILESTONES[-1]) for seed in seeds]
        print(_row(policy, searches, time.process_time() - start), flush=True)


if __name__ == "__main__":
    main()
