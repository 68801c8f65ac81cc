"""A made-up log of a campaign that keeps the lab's rules: what memory is tried with, at any size.

Slots are opened and settled as the director does it, some ideas are rejected, some code fails and is repaired or given
up, people steer and veto. The same seed gives the same log.
"""

import random
from bisect import insort
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

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
    PoolUpdated,
    ProposalCreated,
    ProposalRejected,
    ProposalRequested,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, campaign_id, derive, experiment_id, run_id

BASELINES = ("linear", "gla", "deltanet")
NAME = campaign_id(0, "nano")
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = [
    "decay",
    "delta",
    "gate",
    "window",
    "router",
    "recall",
    "state",
    "channel",
    "head",
    "convolution",
    "feature",
    "map",
    "memory",
    "write",
    "read",
    "erase",
    "token",
    "local",
    "global",
    "sharp",
    "smooth",
    "stable",
    "bounded",
    "selective",
    "additive",
    "overwrite",
    "interference",
    "capacity",
    "rotary",
    "normalised",
]

Ideas = Callable[[int, random.Random], tuple[str, str, dict[str, JsonValue]]]
"""What fills a slot: a motivation, a source and a design."""


def made_up(slot: int, rng: random.Random) -> tuple[str, str, dict[str, JsonValue]]:
    """Return words at random, lines at random, and a design that no grammar knows."""
    return _sentence(rng, 45), _source(rng, slot), {"paths": [rng.choice(WORDS) for _ in range(20)]}


def campaign_log(experiments: int, seed: int = 0, slots: int = 4, ideas: Ideas = made_up) -> Iterator[Envelope]:
    """Yield a whole campaign's events in order, at positions 1, 2, ..."""
    rng = random.Random(seed)
    for seq, (experiment, event) in enumerate(_said(experiments, slots, ideas, rng), 1):
        yield Envelope(
            id=derive(seed, seq),
            source="/lab/director/1",
            time=BEGUN + timedelta(seconds=seq),
            campaign=NAME,
            experiment=experiment,
            event=event,
            cause=derive(seed, seq - 1) if seq > 1 else None,
            seq=seq,
        )


def _said(experiments: int, slots: int, ideas: Ideas, rng: random.Random) -> Iterator[tuple[str, Event]]:
    """Yield events, `slots` lives at once, each going on at random."""
    yield (
        CAMPAIGN,
        CampaignStarted(
            goal="recall",
            seed=0,
            scale="nano",
            experiments=experiments,
            slots=slots,
            baselines=BASELINES,
            cold_start=8,
            batch=16,
        ),
    )
    analysed: list[tuple[float, str]] = []  # worst first
    waiting = iter(range(len(BASELINES) + experiments))
    under_way: list[Iterator[tuple[str, Event]]] = []
    generation = 0
    while True:
        while len(under_way) < slots and (slot := next(waiting, None)) is not None:
            under_way.append(_life(slot, analysed, ideas, rng))
        if not under_way:
            return
        life = rng.choice(under_way)
        said = next(life, None)
        if said is None:
            under_way.remove(life)
        else:
            yield said
            if isinstance(said[1], AnalysisReady) and len(analysed) % 16 == 0:
                generation += 1
                ranked = tuple(name for _, name in analysed[:-51:-1])
                yield CAMPAIGN, PoolUpdated(generation=generation, parents=ranked[:10], references=ranked[10:])
                yield CAMPAIGN, HumanMessage(kind="steer", text=_sentence(rng, 5))
                yield CAMPAIGN, HumanMessage(kind="veto", text="", target=rng.choice(analysed)[1])


def _life(
    slot: int, analysed: list[tuple[float, str]], ideas: Ideas, rng: random.Random
) -> Iterator[tuple[str, Event]]:
    """Yield what happens to one experiment."""
    name = experiment_id(slot, BASELINES)
    baseline = slot < len(BASELINES)
    parent = rng.choice(analysed[-10:])[1] if analysed and not baseline else None
    yield name, ProposalRequested(slot=slot, arm="baseline" if baseline else "guided", parent=parent)
    if not baseline and rng.random() < 0.05:
        yield (
            name,
            ProposalRejected(
                name=name, motivation=_sentence(rng, 30), reason="near_motivation", message="too near", final=True
            ),
        )
        return
    motivation, source, design = ideas(slot, rng)
    yield (
        name,
        ProposalCreated(
            name=f"design {slot}",
            motivation=motivation,
            source=source,
            origin="baseline" if baseline else "genetic",
            parent=parent,
            design=design,
        ),
    )
    attempt = 0
    while not baseline and rng.random() < 0.15:
        yield from _failed_run(name, attempt, rng)
        attempt += 1
        if attempt > 2:
            yield name, CodeFailed(attempt=attempt, stage="gate", reason="causality", message="looks ahead", final=True)
            return
        yield (
            name,
            CodeFailed(attempt=attempt - 1, stage="gate", reason="causality", message="looks ahead", final=False),
        )
        yield name, CodeRevised(attempt=attempt, source=_source(rng, slot), change="masked", repaired_by="rules")
    yield from _run(name, attempt, rng)
    fitness = rng.random()
    insort(analysed, (fitness, name))
    yield (
        name,
        AnalysisReady(
            fitness=fitness,
            parts=FitnessParts(loss=fitness, benchmark=fitness, judge=fitness),
            findings=tuple(_sentence(rng, 12) for _ in range(4)),
            problem=_sentence(rng, 25),
            cognition=("gla", "deltanet_parallel"),
        ),
    )


def _failed_run(name: str, attempt: int, rng: random.Random) -> Iterator[tuple[str, Event]]:
    yield name, _requested(name, attempt, rng)
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


def _run(name: str, attempt: int, rng: random.Random) -> Iterator[tuple[str, Event]]:
    run, parameters = run_id(name, attempt), rng.randrange(90_000, 110_000)
    yield name, _requested(name, attempt, rng)
    yield name, RunStarted(run=run, worker="1", width=64, parameters=parameters, gates=())
    loss = rng.uniform(1.2, 2.0)
    yield (
        name,
        RunCompleted(
            run=run,
            worker="1",
            width=64,
            parameters=parameters,
            steps=400,
            tokens=409_600,
            seconds=9.5,
            step_seconds=0.02,
            flops_per_token=2.1e5,
            val_loss=loss,
            bits_per_byte=loss / 0.6931,
            recall=rng.random(),
            recall_stderr=0.01,
            weights=f"{run}.safetensors",
            weights_sha256=derive(run),
            curve=tuple(
                CurvePoint(task="text", step=step, loss=loss + 100 / (step + 50)) for step in range(0, 400, 20)
            ),
        ),
    )


def _requested(name: str, attempt: int, rng: random.Random) -> RunRequested:
    limits = Limits(seconds=60, memory_mb=1024)
    return RunRequested(
        run=run_id(name, attempt), attempt=attempt, source=_source(rng, attempt), scale="nano", seed=0, limits=limits
    )


def _source(rng: random.Random, slot: int) -> str:
    lines = (f"        x = x + {rng.random():.12f} * torch.tanh(self.project_{at}(x))  # [B, T, D]" for at in range(40))
    return f"# design {slot}\n" + "\n".join(lines) + "\n"


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))
