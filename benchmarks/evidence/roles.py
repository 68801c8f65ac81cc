"""Whole simulated campaigns through the lab's own roles: director, researcher, engineer and analyst decide everything.

Only training is simulated: a run's loss is the design's true one, plus the noise of real runs at nano
(`benchmarks.evidence.noise`), plus what its learning rate costs. Each design has a best rate, as in the sweep of
`benchmarks.learning_rates`, and screening has the scale's own, which flatters some designs. The search chooses who
climbs from screening scores of one seed. The plan tunes rates, has looks at 5, 10 and 20 seeds, so every climb may stop
early, and has one placebo. One design in five is a near-duplicate: another structure with nearly the scores of the
design before it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import log2
from pathlib import Path
from random import Random
from unittest.mock import patch

import numpy as np

from benchmarks.evidence.campaigns import DUPLICATE_EVERY
from benchmarks.evidence.noise import OWN_SD, RUN_SD, SEED_CORRELATION, TWIN_CORRELATION
from benchmarks.evidence.shares import share
from bus.vocabulary.events import (
    DiscoveryConfirmed,
    Limits,
    PromotionDecided,
    Rung,
    RunRequested,
    VerificationPlan,
    VerificationRequested,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import derive
from tests.support import instant_trainer
from tests.support.archive import Archive
from tests.support.simulated_campaigns import NO_FAULTS, started
from tests.support.simulation import Laboratory, caching

EXPERIMENTS, SLOTS = 20, 2
LIMITS = Limits(seconds=60.0, memory_mb=900)
PLAN = VerificationPlan(
    rungs=tuple(
        Rung(scale=scale, climbers=climbers, looks=(5, 10, 20), limits=LIMITS)
        for scale, climbers in (("nano", 4), ("micro", 2))
    ),
    settlements=(5, 10, 15, 20),
    placebos=1,
    rates=(0.5, 1.0, 2.0, 4.0),
    ascent="best",
)
LOSS = 2.0
BEST_RATES = (1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 4.0, 4.0)
"""Of eleven real designs at nano, the multiple of the scale's learning rates that is best."""
USUAL_RATE = 2.0
"""The best rate of the best baseline and of the planted design."""
OCTAVE = 0.03
"""What a learning rate costs that is twice or half the best one, in nats per byte: up to .051 for real designs."""
PER_ARCHIVE = 10
"""Campaigns that share one memory: a new one costs seconds, and a full one answers slower."""


@dataclass(frozen=True, slots=True)
class RoleWorld:
    """What is true of the designs of a simulated campaign."""

    name: str
    gain: float
    """True gain over the best baseline of the planted design, in nats; the others have none."""
    planted: str = "e0004"
    """The experiment that has the gain, whatever design it is."""
    behind: float = 0.0
    """How far all baselines but one are behind, so that only one is in the way of a false claim."""
    tuned: bool = True
    """Whether the plan tunes learning rates."""


@dataclass(frozen=True, slots=True)
class RoleOutcome:
    """What a campaign claimed."""

    climbed: bool
    """Whether the planted design was chosen to climb."""
    planted: bool
    """Whether it was confirmed."""
    false: int
    """Confirmed designs without a gain."""
    placebo_passed: bool


WORLDS = (
    RoleWorld("all equal", 0.0),
    RoleWorld("equal to the best baseline", 0.0, behind=0.1),
    RoleWorld("one better by .03", 0.03),
    RoleWorld("one better by .04", 0.04),
    RoleWorld("equal to the best baseline, rates not tuned", 0.0, behind=0.1, tuned=False),
)


def outcomes(world: RoleWorld, campaigns: int) -> Iterator[RoleOutcome]:
    """Yield the outcome of each campaign of a world."""
    for first in range(0, campaigns, PER_ARCHIVE):
        with tempfile.TemporaryDirectory() as folder, caching(), _trained_by(world):
            archive = Archive(Path(folder))
            for seed in range(first, min(first + PER_ARCHIVE, campaigns)):
                yield _outcome(world, _campaign(archive, world, seed))


def _campaign(archive: Archive, world: RoleWorld, seed: int) -> Laboratory:
    lab = Laboratory(archive, f"roles-{seed}", Random(seed), NO_FAULTS, sound_baselines=True)
    plan = PLAN if world.tuned else PLAN.model_copy(update={"rates": ()})
    lab.start(started(seed, EXPERIMENTS, SLOTS, verification=plan))
    lab.run()
    return lab


@contextmanager
def _trained_by(world: RoleWorld) -> Iterator[None]:
    """Let runs have the losses of a world, without failures and without the instant trainer's own noise."""

    def loss(envelope: Envelope, request: RunRequested) -> float:
        return _loss(world, envelope, request)

    with patch.multiple(instant_trainer, _loss=loss, GATE_FAILURE=0.0, ANOMALY=0.0, BUSY=0.0, NOISE=0.0):
        yield


def _loss(world: RoleWorld, envelope: Envelope, request: RunRequested) -> float:
    """Return a run's loss: the true one, the rate's cost, the seed's part that all designs share, and its own."""
    campaign, name = envelope.campaign, envelope.experiment
    shared = RUN_SD * SEED_CORRELATION**0.5 * _normal(campaign, request.seed)
    twin = _twin(name)
    own = _normal(campaign, request.seed, name)
    if twin:
        own = TWIN_CORRELATION * _normal(campaign, request.seed, twin) + (1 - TWIN_CORRELATION**2) ** 0.5 * own
    return LOSS - _gain(world, envelope) + _rate_cost(world, envelope) + shared + OWN_SD * own


def _rate_cost(world: RoleWorld, envelope: Envelope) -> float:
    """Return what a run loses by a learning rate that is not its design's best."""
    rate = envelope.event.rate if isinstance(envelope.event, VerificationRequested) else 1.0
    name = envelope.experiment
    is_usual = name == world.planted or instant_trainer.is_known_design(envelope)
    best = USUAL_RATE if is_usual else Random(derive(envelope.campaign, name, "rate")).choice(BEST_RATES)
    return OCTAVE * abs(log2(rate / best))


def _gain(world: RoleWorld, envelope: Envelope) -> float:
    if instant_trainer.is_known_design(envelope):
        return 0.0 if envelope.experiment in {"base-gla", "placebo-1"} else -world.behind
    return world.gain if envelope.experiment == world.planted else 0.0


def _twin(name: str) -> str:
    """Return the design whose scores a near-duplicate follows; empty for any other design."""
    number = int(name[1:]) if name[0] == "e" else 0
    return f"e{number - 1:04d}" if number and number % DUPLICATE_EVERY == 0 else ""


def _normal(*key: object) -> float:
    """Return a draw from the standard normal distribution that depends on the key alone."""
    return float(np.random.default_rng(int(derive(*key), 16)).standard_normal())


def _outcome(world: RoleWorld, lab: Laboratory) -> RoleOutcome:
    confirmed = [one.experiment for one in lab.events(DiscoveryConfirmed)]
    steps = [one.event for one in lab.events(PromotionDecided) if isinstance(one.event, PromotionDecided)]
    genuine = {world.planted} if world.gain else set[str]()
    return RoleOutcome(
        climbed=any(step.candidate in genuine for step in steps),
        planted=bool(genuine & set(confirmed)),
        false=len(set(confirmed) - genuine),
        placebo_passed=any(step.placebo_of and step.rung for step in steps),
    )


def role_lines(campaigns: int) -> Iterator[str]:
    """Yield the table of campaigns through the roles."""
    yield "| world | campaigns with a false one (95 % interval) | planted climbed | confirmed | placebos past nano |"
    yield "| --- | --- | --- | --- | --- |"
    for world in WORLDS:
        rows = list(outcomes(world, campaigns))
        yield f"| {world.name} | {share([row.false > 0 for row in rows])} | {_planted(world, rows)} |"


def _planted(world: RoleWorld, rows: Sequence[RoleOutcome]) -> str:
    placebos = share([row.placebo_passed for row in rows])
    if not world.gain:
        return f"| | {placebos}"
    climbed, confirmed = [row.climbed for row in rows], [row.planted for row in rows]
    return f"{share(climbed)} | {share(confirmed)} | {placebos}"
