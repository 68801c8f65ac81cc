"""A trainer's edge that answers at once: one outcome for a source and a seed, whoever asks and however often.

One source in six fails its gates, and of those that pass one in ten is stopped by the monitor, so that repairs,
anomalies and given-up experiments are exercised too. One design in six is too good to count at once; of these every
other one is so on any data, and the rest only on what every run is tried on.
"""

import random

from bus.vocabulary.events import VETOED, RunAnomaly, RunCompleted, RunFailed, RunRequested, RunStarted
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, derive
from trainer.run.questions import Prepared, Trained

WORKER = "instant"
"""Named alike in every process, so that a log does not depend on which of them was killed."""
GATE, MONITOR = 1 / 6, 1 / 10
"""Chances of a fault."""
WONDER = 1 / 6
"""Chance of a loss that no honest design here has."""
SHARE = 0.6
"""What is left of a loss then."""


def unwanted(envelope: Envelope) -> Prepared:
    """Return what becomes of a run that a person does not want."""
    asked, _ = _request(envelope, "prepare")
    failed = RunFailed(run=asked.run, worker=WORKER, attempt=asked.attempt, stage="gate", reason=VETOED,
                       message="a person had enough of it")  # fmt: skip
    return Prepared(failed=failed)


def prepare(envelope: Envelope, *, sound_baselines: bool = True) -> Prepared:
    """Return whether the source passes its gates; baselines do where they are to be sound."""
    asked, draw = _request(envelope, "prepare")
    if draw.random() < GATE and not _spared(envelope, sound_baselines):
        failed = RunFailed(run=asked.run, worker=WORKER, attempt=asked.attempt, stage="gate", reason="causality",
                           message="output at 3 depends on input at 7")  # fmt: skip
        return Prepared(failed=failed)
    return Prepared(started=RunStarted(run=asked.run, worker=WORKER, width=64, parameters=100_000, gates=()))


def train(envelope: Envelope, *, sound_baselines: bool = True) -> Trained:
    """Return the scores, drawn by chance, or what the monitor stopped the run for."""
    asked, draw = _request(envelope, "train")
    if draw.random() < MONITOR and not _spared(envelope, sound_baselines):
        seen = RunAnomaly(run=asked.run, kind="diverged", step=7, evidence="loss 9.1 after 2.0")
        failed = RunFailed(run=asked.run, worker=WORKER, attempt=asked.attempt, stage="train",
                           reason="anomaly:diverged", message=seen.evidence)  # fmt: skip
        return Trained(anomaly=seen, failed=failed)
    loss = _loss(envelope, asked) + 0.03 * draw.random()
    scored = RunCompleted(
        run=asked.run, worker=WORKER, width=64, parameters=100_000, steps=10, tokens=1000, seconds=1.0,
        step_seconds=0.01, flops_per_token=2e5, val_loss=loss, bits_per_byte=loss / 0.6931471805599453,
        recall=draw.random(), recall_stderr=0.01, weights="none", weights_sha256="0" * 64, curve=(),
    )  # fmt: skip
    return Trained(completed=scored)


def _loss(envelope: Envelope, asked: RunRequested) -> float:
    """Return the loss of a source on any seed: honest ones lie within a tenth of each other."""
    draw = random.Random(derive(asked.source, "loss"))
    loss, wonder, luck = 2.0 + 0.15 * draw.random(), draw.random() < WONDER, draw.random() < 0.5
    if envelope.experiment.startswith(BASELINE_PREFIX) or not wonder or (luck and asked.shard):
        return loss
    return SHARE * loss


def _spared(envelope: Envelope, sound_baselines: bool) -> bool:
    return sound_baselines and envelope.experiment.startswith(BASELINE_PREFIX)


def _request(envelope: Envelope, purpose: str) -> tuple[RunRequested, random.Random]:
    """Return the request and the dice of its source and seed."""
    asked = envelope.event
    assert isinstance(asked, RunRequested)
    return asked, random.Random(derive(asked.source, asked.seed, purpose))
