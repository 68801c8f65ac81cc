"""The trainer's answers without training: source and seed determine the outcome of a run.

One source in six fails its gates, and the monitor stops one run in ten of the others. So repairs, anomalies and failed
experiments occur too. The loss of one design in six is too good. For half of these designs it is so on every shard of
the data, for the others only on the first. A busy machine ends one run in eight on sealed text.
"""

import random

from bus.vocabulary.events import VETOED, RunAnomaly, RunFailed, RunRequested, RunStarted, VerificationRequested
from bus.vocabulary.questions import GateCheck, GateVerdict
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, derive, is_placebo
from tests.support.factories import run_completed
from trainer.run.questions import Prepared, Trained
from trainer.run.sealed_run import as_run

WORKER = "instant"
"""The name of every process, so that a log does not depend on which one was killed."""
GATE_FAILURE, ANOMALY, TOO_GOOD, BUSY = 1 / 6, 1 / 10, 1 / 6, 1 / 8
"""Chances of a failed gate, of an anomaly, of a loss below that of any honest design, and of a busy machine."""
NOISE = 0.03
"""Width of the noise of a loss, nats per byte."""
BLOCKS = (0.01, -0.01)
"""How far each block of sealed text lies above the mean."""
TOO_GOOD_LOSS_SHARE = 0.6
"""The loss of such a design, as a share of an honest one."""


def refuse_vetoed(envelope: Envelope) -> Prepared:
    """Return the end of a run whose experiment is vetoed."""
    request, _ = _request(envelope, "prepare")
    return Prepared(failed=_failure(request, "gate", VETOED, "a person vetoed the experiment"))


def prepare(envelope: Envelope, *, sound_baselines: bool = True) -> Prepared:
    """Return whether the source passes the gates; with `sound_baselines`, every baseline does."""
    request, draw = _request(envelope, "prepare")
    if _is_busy(envelope):
        return Prepared(failed=_failure(request, "gate", "timeout", "180 s were not enough"))
    if draw.random() < GATE_FAILURE and not _is_sealed(envelope) and not _is_spared(envelope, sound_baselines):
        return Prepared(failed=_failure(request, "gate", "causality", "output at 3 depends on input at 7"))
    return Prepared(started=RunStarted(run=request.run, worker=WORKER, width=64, parameters=100_000, gates=()))


async def check(question: GateCheck) -> GateVerdict:
    """Return what the gates find in a source that is no run yet: its own draw decides, as for any other source."""
    if random.Random(derive(question.source, "check")).random() < GATE_FAILURE:
        return GateVerdict(outcome="failed", reason="causality", message="output at 3 depends on input at 7")
    return GateVerdict(outcome="passed")


def train(envelope: Envelope, *, sound_baselines: bool = True) -> Trained:
    """Return scores drawn at random, or the anomaly for which the monitor stopped the run."""
    request, draw = _request(envelope, "train")
    if draw.random() < (ANOMALY / 3 if _is_sealed(envelope) else ANOMALY) and not _is_spared(envelope, sound_baselines):
        anomaly = RunAnomaly(run=request.run, kind="diverged", step=7, evidence="loss 9.1 after 2.0")
        failed = _failure(request, "train", "anomaly:diverged", anomaly.evidence)
        return Trained(anomaly=anomaly, failed=failed)
    loss = _loss(envelope, request) + NOISE * draw.random()
    completed = run_completed(request.run, val_loss=loss, recall=draw.random())
    blocks = tuple(loss + difference for difference in BLOCKS) if _is_sealed(envelope) else ()
    return Trained(completed=completed.model_copy(update={"worker": WORKER}), blocks=blocks)


def _failure(request: RunRequested, stage: str, reason: str, message: str) -> RunFailed:
    return RunFailed.model_validate(
        {"run": request.run, "worker": WORKER, "attempt": request.attempt, "stage": stage, "reason": reason,
         "message": message}
    )  # fmt: skip


def _loss(envelope: Envelope, request: RunRequested) -> float:
    """Return the loss of a source on any seed: honest ones lie within a tenth of each other."""
    draw = random.Random(derive(request.source, "loss"))
    loss, too_good, first_shard_only = 2.0 + 0.15 * draw.random(), draw.random() < TOO_GOOD, draw.random() < 0.5
    if is_known_design(envelope) or not too_good or (first_shard_only and request.shard):
        return loss
    return TOO_GOOD_LOSS_SHARE * loss


def _is_sealed(envelope: Envelope) -> bool:
    return isinstance(envelope.event, VerificationRequested)


def _is_busy(envelope: Envelope) -> bool:
    """Return whether a machine ends a run on sealed text for no fault of the design."""
    request = envelope.event
    if not isinstance(request, VerificationRequested):
        return False
    return random.Random(derive(request.run, request.seed, request.repetition, "busy")).random() < BUSY


def _is_spared(envelope: Envelope, sound_baselines: bool) -> bool:
    return sound_baselines and is_known_design(envelope)


def is_known_design(envelope: Envelope) -> bool:
    """Return whether a run is of a baseline, or of a placebo, which is a baseline under another name."""
    return envelope.experiment.startswith(BASELINE_PREFIX) or is_placebo(envelope.experiment)


def _request(envelope: Envelope, purpose: str) -> tuple[RunRequested, random.Random]:
    """Return the request and the random draws of its source and seed."""
    request = envelope.event
    if isinstance(request, VerificationRequested):
        request = as_run(request)
    assert isinstance(request, RunRequested)
    return request, random.Random(derive(request.source, request.seed, purpose))
