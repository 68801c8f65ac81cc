"""A synthetic log of a campaign of any size, which follows the lab's rules: the input of memory's benchmarks and tests.

Slots are opened and settled as by the director. Some ideas are rejected, some code fails and is repaired or given up,
people steer and veto. The same seed gives the same log.
"""

import random
from bisect import insort
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from math import log

from pydantic import JsonValue

from bus.vocabulary.events import (
    AnalysisReady,
    CampaignStarted,
    CodeFailed,
    CodeRevised,
    CurvePoint,
    Event,
    FitnessParts,
    HumanMessage,
    Limits,
    Measure,
    Metrics,
    PoolUpdated,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    TaskMetrics,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, campaign_id, derive, experiment_id, run_id

BASELINES = ("linear", "gla", "deltanet")
CAMPAIGN_ID = campaign_id(0, "nano")
START_TIME = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "decay", "delta", "gate", "window", "router", "recall", "state", "channel", "head", "convolution", "feature",
    "map", "memory", "write", "read", "erase", "token", "local", "global", "sharp", "smooth", "stable", "bounded",
    "selective", "additive", "overwrite", "interference", "capacity", "rotary", "normalised",
]  # fmt: skip

IdeaSource = Callable[[int, random.Random], tuple[str, str, dict[str, JsonValue]]]
"""Returns the idea for a slot: a motivation, a source and a design."""


def random_idea(slot: int, rng: random.Random) -> tuple[str, str, dict[str, JsonValue]]:
    """Return random words, random lines, and a design of two paths with random units."""
    design: dict[str, JsonValue] = {axis: rng.choice(WORDS) for axis in ("norm", "gate", "skip", "fusion", "entry")}
    axes = ("keys", "decay", "update", "read")
    design["paths"] = [{"kind": kind, **{axis: rng.choice(WORDS) for axis in axes}} for kind in ("memory", "window")]
    return _sentence(rng, 45), _source(rng, slot), design


def campaign_log(
    experiments: int, seed: int = 0, slots: int = 4, ideas: IdeaSource = random_idea
) -> Iterator[Envelope]:
    """Yield a whole campaign's events in order, at positions 1, 2, ..."""
    rng = random.Random(seed)
    for seq, (experiment, event) in enumerate(_events(experiments, slots, ideas, rng), 1):
        yield Envelope(
            id=derive(seed, seq),
            source="/lab/director/1",
            time=START_TIME + timedelta(seconds=seq),
            campaign=CAMPAIGN_ID,
            experiment=experiment,
            event=event,
            cause=derive(seed, seq - 1) if seq > 1 else None,
            seq=seq,
        )


def _events(experiments: int, slots: int, ideas: IdeaSource, rng: random.Random) -> Iterator[tuple[str, Event]]:
    """Yield the events of `slots` experiments at a time, interleaved at random."""
    yield (
        CAMPAIGN,
        CampaignStarted(
            goal="recall",
            seed=0,
            scale="nano",
            experiments=experiments,
            slots=slots,
            baselines=BASELINES,
            limits=Limits(seconds=60, memory_mb=1024),
            policy="two_tier",
            policy_parameters={"cold_start": 8, "batch": 16},
        ),
    )
    analysed: list[tuple[float, str]] = []  # (fitness, name), lowest fitness first
    remaining_slots = iter(range(len(BASELINES) + experiments))
    running: list[Iterator[tuple[str, Event]]] = []
    generation = 0
    while True:
        while len(running) < slots and (slot := next(remaining_slots, None)) is not None:
            running.append(_experiment_events(slot, analysed, ideas, rng))
        if not running:
            return
        experiment = rng.choice(running)
        item = next(experiment, None)
        if item is None:
            running.remove(experiment)
        else:
            yield item
            if isinstance(item[1], AnalysisReady) and len(analysed) % 16 == 0:
                generation += 1
                ranked: list[JsonValue] = [name for _, name in analysed[:-51:-1]]
                tiers: dict[str, JsonValue] = {"parents": ranked[:10], "references": ranked[10:]}
                yield CAMPAIGN, PoolUpdated(generation=generation, policy="two_tier", state=tiers)
                yield CAMPAIGN, HumanMessage(kind="steer", text=_sentence(rng, 5))
                yield CAMPAIGN, HumanMessage(kind="veto", text="", target=rng.choice(analysed)[1])


def _experiment_events(
    slot: int, analysed: list[tuple[float, str]], ideas: IdeaSource, rng: random.Random
) -> Iterator[tuple[str, Event]]:
    """Yield the events of one experiment."""
    name = experiment_id(slot, BASELINES)
    baseline = slot < len(BASELINES)
    parent = rng.choice(analysed[-10:])[1] if analysed and not baseline else None
    yield name, ProposalRequested(slot=slot, arm="baseline" if baseline else "guided", parent=parent)
    if not baseline and rng.random() < 0.05:
        yield name, _rejected(name, rng)
        return
    yield name, _proposed(slot, parent, ideas, rng)
    attempt = 0 if baseline else (yield from _failed_attempts(name, slot, rng))
    if attempt is None:
        return
    yield from _completed_run_events(name, attempt, rng)
    fitness = rng.random()
    insort(analysed, (fitness, name))
    yield name, _analysis(fitness, rng)


def _rejected(name: str, rng: random.Random) -> ProposalRejected:
    motivation = _sentence(rng, 30)
    return ProposalRejected(name=name, motivation=motivation, reason="near_motivation", message="too near", final=True)


def _proposed(slot: int, parent: str | None, ideas: IdeaSource, rng: random.Random) -> ProposalCreated:
    motivation, source, design = ideas(slot, rng)
    return ProposalCreated(
        name=f"design {slot}",
        motivation=motivation,
        source=source,
        origin="baseline" if slot < len(BASELINES) else "genetic",
        parent=parent,
        design=design,
    )


def _failed_attempts(name: str, slot: int, rng: random.Random) -> Generator[tuple[str, Event], None, int | None]:
    """Yield the events of failed attempts; return the attempt that does not fail, or None after three failures."""
    for attempt in range(3):
        if rng.random() >= 0.15:
            return attempt
        yield from _failed_run_events(name, attempt, rng)
        if attempt < 2:
            yield name, _failed(attempt, final=False)
            source = _source(rng, slot)
            yield name, CodeRevised(attempt=attempt + 1, source=source, change="masked", repaired_by="rules")
    yield name, _failed(3, final=True)
    return None


def _failed(attempt: int, *, final: bool) -> CodeFailed:
    return CodeFailed(attempt=attempt, stage="gate", reason="causality", message="looks ahead", final=final)


def _analysis(fitness: float, rng: random.Random) -> AnalysisReady:
    return AnalysisReady(
        fitness=fitness,
        parts=FitnessParts(loss=fitness, benchmark=fitness, judge=fitness),
        findings=tuple(_sentence(rng, 12) for _ in range(4)),
        problem=_sentence(rng, 25),
        cognition=("gla", "deltanet_parallel"),
    )


def _failed_run_events(name: str, attempt: int, rng: random.Random) -> Iterator[tuple[str, Event]]:
    yield name, _run_requested(name, attempt, rng)
    yield (
        name,
        RunFailed(
            run=run_id(name, attempt),
            worker="1",
            attempt=attempt,
            stage="gate",
            reason="causality",
            message="looks ahead",
        ),
    )


def _completed_run_events(name: str, attempt: int, rng: random.Random) -> Iterator[tuple[str, Event]]:
    run, parameters = run_id(name, attempt), rng.randrange(90_000, 110_000)
    yield name, _run_requested(name, attempt, rng)
    yield name, RunStarted(run=run, worker="1", width=64, parameters=parameters, gates=())
    loss = rng.uniform(1.2, 2.0)
    yield (
        name,
        RunCompleted(
            run=run,
            worker="1",
            metrics=_metrics(loss, rng.random(), parameters),
            weights=f"{run}.safetensors",
            weights_sha256=derive(run),
        ),
    )


def _metrics(loss: float, recall: float, parameters: int) -> Metrics:
    text = {"nats_per_byte": Measure(value=loss), "bits_per_byte": Measure(value=loss / log(2))}
    return Metrics(
        tasks={
            "text": TaskMetrics(kind="text", measures=text),
            "recall": TaskMetrics(kind="mqar", measures={"accuracy": Measure(value=recall, stderr=0.01)}),
        },
        text_task="text",
        recall_task="recall",
        size={"parameters": parameters, "width": 64},
        cost={"seconds": 9.5, "step_seconds": 0.02, "flops_per_token": 2.1e5, "steps": 400, "tokens": 409_600},
        curve=tuple(CurvePoint(task="text", step=step, loss=loss + 100 / (step + 50)) for step in range(0, 400, 20)),
    )


def _run_requested(name: str, attempt: int, rng: random.Random) -> RunRequested:
    limits = Limits(seconds=60, memory_mb=1024)
    return RunRequested(
        run=run_id(name, attempt), attempt=attempt, source=_source(rng, attempt), scale="nano", seed=0, limits=limits
    )


def _source(rng: random.Random, slot: int) -> str:
    lines = (
        f"        x = x + {rng.random():.12f} * torch.tanh(self.project_{number}(x))  # [B, T, D]"
        for number in range(40)
    )
    return f"# design {slot}\n" + "\n".join(lines) + "\n"


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))
