"""Simulated campaigns with climbs: one for each seed, and small ones in which every design has a gain that is known."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bus.vocabulary.events import PromotionDecided, VerificationRequested
from bus.wire.envelope import Envelope
from tests.support import instant_trainer
from tests.support.archive import Archive
from tests.support.factories import verification_plan
from tests.support.scribe import OBJECTIVE
from tests.support.simulated_campaigns import NO_FAULTS, message_cues, resume_cues, started, stop_cues
from tests.support.simulation import STORM, Faults, Laboratory


def climbing_campaign(archive: Archive, seed: int) -> Laboratory:
    """Return a campaign that has run: plan, people and faults depend on its seed."""
    plan = Random(f"climb {seed}")
    slots, experiments, baselines = 1 + plan.randrange(4), 2 + plan.randrange(5), 1 + plan.randrange(3)
    faults = Faults(STORM.death, STORM.twin, STORM.spread, STORM.memory_crash, plan.choice((0.0, 0.0, 0.1)))
    lab = Laboratory(archive, f"climb-{seed}", Random(seed), faults, sound_baselines=plan.random() < 0.7)
    kind = plan.random()
    if kind < 0.2:
        lab.cues += message_cues(plan)
    elif kind < 0.3 and slots >= baselines:  # a stop before the last baseline is open leaves the others unanalysed
        lab.cues += stop_cues(plan, lab)
    lab.cues += resume_cues() if faults.given_up else []
    if plan.random() < 0.2:
        lab.cues += [(takes(name), f"veto {name}") for name in ("e0001", "e0002", "e0003")]
    settlements = tuple(sorted(plan.randrange(1, 6) for _ in range(1 + plan.randrange(4))))
    verification = verification_plan(
        settlements,
        climbers=(1 + plan.randrange(3), 1 + plan.randrange(2)),
        retries=plan.randrange(3),
        futility=plan.choice((0.0, 0.05)),
        placebos=plan.randrange(3),
        rates=plan.choice(((), (0.5, 1.0, 2.0))),
        ascent=plan.choice(("first", "best")),
    )
    lab.start(started(seed, experiments, slots, baselines, verification))
    lab.run()
    return lab


def takes(candidate: str) -> Callable[[Envelope], bool]:
    """Return the condition that an event takes a candidate up the ladder."""
    return lambda envelope: isinstance(envelope.event, PromotionDecided) and envelope.event.candidate == candidate


def plant(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    """Let every design be better than every baseline by so many nats per byte, with the instant trainer's noise."""

    def loss(envelope: Envelope, _: object) -> float:
        return 2.0 if instant_trainer.is_known_design(envelope) else 2.0 - gain

    monkeypatch.setattr(instant_trainer, "_loss", loss)
    for chance in ("GATE_FAILURE", "ANOMALY", "BUSY"):
        monkeypatch.setattr(instant_trainer, chance, 0.0)


def plant_rates(monkeypatch: pytest.MonkeyPatch, gain: float, best: float) -> None:
    """Let designs be better than baselines by so many nats per byte, except at a rate that makes baselines equal."""

    def loss(envelope: Envelope, _: object) -> float:
        rate = envelope.event.rate if isinstance(envelope.event, VerificationRequested) else 1.0
        return 2.0 if instant_trainer.is_known_design(envelope) and rate != best else 2.0 - gain

    plant(monkeypatch, gain)
    monkeypatch.setattr(instant_trainer, "_loss", loss)


def plant_later_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every design be better than every baseline, by more the later it is."""

    def loss(envelope: Envelope, _: object) -> float:
        return 2.0 if instant_trainer.is_known_design(envelope) else 1.9 - 0.1 * int(envelope.experiment[1:])

    plant(monkeypatch, 0.0)
    monkeypatch.setattr(instant_trainer, "_loss", loss)


def laboratory(folder: Path, slots: int, faults: Faults, **fields: Any) -> Laboratory:
    """Return a campaign of four designs that has started: two climb, one of them to the second rung.

    - `fields`: of its plan.
    """
    folder.mkdir(exist_ok=True)
    lab = Laboratory(Archive(folder), "climb-7", Random(7), faults, sound_baselines=True)
    lab.start(started(7, 4, slots, 3, verification_plan((1, 3), **fields)))
    return lab


def finished_with_arms(folder: Path, placebos: int = 0) -> Laboratory:
    """Return a campaign at its end that has control arms and an objective, so units have effects."""
    folder.mkdir(exist_ok=True)
    lab = Laboratory(Archive(folder), "climb-7", Random(7), NO_FAULTS, sound_baselines=True)
    start = started(7, 12, 2, 3, verification_plan((3, 6, 8), placebos=placebos))
    lab.start(start.model_copy(update={"arms": {"random": 0.25, "mutate_best": 0.25}, "objective": OBJECTIVE}))
    lab.run()
    return lab


def finished(folder: Path, slots: int, faults: Faults, **fields: Any) -> Laboratory:
    """Return such a campaign at its end."""
    lab = laboratory(folder, slots, faults, **fields)
    lab.run()
    return lab
