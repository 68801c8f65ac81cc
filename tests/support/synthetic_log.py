"""A synthetic log of any length: a campaign with lineages, repairs, failures, vetoes, objectives and loss curves."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import exp

from bus.vocabulary import events
from bus.vocabulary.events import Event
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN, derive, experiment_id, run_id
from tests.support.factories import campaign_started

BASELINES = ("linear-attention", "retnet", "gla", "mamba2", "deltanet", "gated-deltanet")
UPDATES = ("gated-delta", "channel-delta", "ssd", "gated-signed-delta", "forget-gate-delta", "linear", "complement")
UNITS = ("conv4", "wide-key", "silu-gate", "value-skip", "joint-norm", "wide-value", "k-conv4", "unit-keys", "shift")
STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = '''"""{name}

A memory.

Per head:
    S ← γ_t S + β_t k_t v_tᵀ
"""

from torch import nn


class Mixer(nn.Module):
    """Token mixer {number}."""
'''


def synthetic_log(
    experiments: int, events_each: int = 12, seed: int = 0, *, curves: bool = False
) -> Iterator[Envelope]:
    """Yield the events of a campaign: about `events_each` for each experiment at most, curves only if wanted."""
    writer = _LogWriter(random.Random(seed), curves=curves)
    objective = events.Objective(tasks=_measures(), max_flops=1.5)
    started = campaign_started(experiments=experiments, slots=4, baselines=BASELINES, objective=objective)
    yield writer.event(CAMPAIGN, started)
    for slot in range(experiments + len(BASELINES)):
        yield from writer.experiment(slot, events_each)
    finished = events.CampaignFinished(reason="budget_spent", analysed=len(writer.skills), failed=0, rejected=0)
    yield writer.event(CAMPAIGN, finished)


def _measures() -> dict[str, events.ObjectiveMeasure]:
    text = events.ObjectiveMeasure(measure="nats_per_byte", weight=1.0, noise=0.01)
    return {"text": text, "recall": events.ObjectiveMeasure(measure="accuracy", weight=1.0, noise=0.03)}


class _LogWriter:
    def __init__(self, rng: random.Random, *, curves: bool) -> None:
        self._rng, self._curves, self._seq, self._cause = rng, curves, 0, ""
        self.skills: dict[str, float] = {}

    def event(self, experiment: str, event: Event, role: str = "director") -> Envelope:
        """Return the next event, about a second after the one before."""
        self._seq += 1
        time = STARTED + timedelta(seconds=0.7 * self._seq)
        identity, cause = derive(self._seq), self._cause or None
        self._cause = identity
        return Envelope(identity, f"/lab/{role}/1", time, "synthetic-0-0000", experiment, event, cause, self._seq)

    def experiment(self, slot: int, events_each: int) -> Iterator[Envelope]:
        """Yield the life of one experiment."""
        name, base = experiment_id(slot, BASELINES), BASELINES[slot] if slot < len(BASELINES) else None
        parent = None if base or self._rng.random() < 0.06 else self._parent()
        arm = "baseline" if base else "guided"
        yield self.event(name, events.ProposalRequested(slot=slot, arm=arm, baseline=base, parent=parent))
        proposal = self._proposal(slot, base, parent)
        yield self.event(name, proposal, "researcher")
        attempt = self._rng.randint(0, max(0, events_each - 6)) // 2
        yield from self._repairs(name, proposal.name, attempt)
        if base or self._rng.random() > 0.12:
            yield from self._run(name, attempt, parent)
        else:
            yield self.event(name, _failure(attempt, final=True), "engineer")

    def _parent(self) -> str | None:
        """Return one of the best so far or, once there are many, one of the newest."""
        known = list(self.skills)
        best = sorted(known, key=self.skills.__getitem__)[-12:] if len(known) < 400 else known[-40:]
        return self._rng.choice(best) if best else None

    def _proposal(self, slot: int, base: str | None, parent: str | None) -> events.ProposalCreated:
        rng = self._rng
        design = base or "·".join([rng.choice(UPDATES), *rng.sample(UNITS, rng.randint(1, 4))])
        return events.ProposalCreated(
            name=design,
            motivation=f"{design} writes only what is new.",
            source=SOURCE.format(name=design, number=slot),
            origin="baseline" if base else rng.choice(("genetic", "genetic", "model")),
            operator=None if base else f"mutate:{rng.choice(('decay', 'update', 'convolution'))}",
            parent=parent,
            cognition=("gla",),
        )

    def _repairs(self, name: str, design: str, count: int) -> Iterator[Envelope]:
        for attempt in range(1, count + 1):
            yield self.event(name, _failure(attempt - 1, final=False), "engineer")
            source = SOURCE.format(name=design, number=attempt)
            repair = events.CodeRevised(attempt=attempt, source=source, change="shifted", repaired_by="rules")
            yield self.event(name, repair, "engineer")

    def _run(self, name: str, attempt: int, parent: str | None) -> Iterator[Envelope]:
        skill = self.skills[name] = 0.98 * self.skills.get(parent or "", 0.0) + self._rng.gauss(0.03, 0.7)
        run, limits = run_id(name, attempt), campaign_started().limits
        request = events.RunRequested(run=run, attempt=attempt, source="", scale="nano", seed=0, limits=limits)
        yield self.event(name, request, "engineer")
        gates = (events.GateResult(gate="causality", passed=True, evidence="largest difference 0"),)
        start = events.RunStarted(run=run, worker="1", width=64, parameters=131_072, gates=gates)
        yield self.event(name, start, "trainer")
        metrics = self._metrics(skill)
        end = events.RunCompleted(run=run, worker="1", metrics=metrics, weights="w", weights_sha256="0" * 64)
        yield self.event(name, end, "trainer")
        yield self.event(name, self._analysis(skill), "analyst")

    def _analysis(self, skill: float) -> events.AnalysisReady:
        judge, flops = self._rng.uniform(0.3, 0.6), self._rng.uniform(0.6, 1.4)
        parts = events.FitnessParts(loss=_sigmoid(skill / 3), benchmark=_sigmoid(skill / 4), judge=judge)
        return events.AnalysisReady(
            fitness=(parts.loss + parts.benchmark + parts.judge) / 3,
            parts=parts,
            problem="Recall falls off.",
            findings=("Text loss against the mean of 6 baselines.",),
            objective=skill,
            objective_parts=events.ObjectiveParts(gains={"text": skill, "recall": skill / 2}, flops=flops),
        )

    def _metrics(self, skill: float) -> events.Metrics:
        rng, loss, recall = self._rng, 2.0 - 0.03 * skill, _sigmoid(skill / 3)
        text = {"nats_per_byte": events.Measure(value=loss), "bits_per_byte": events.Measure(value=loss * 1.4427)}
        tasks = {
            "text": events.TaskMetrics(kind="text", measures=text),
            "recall": events.TaskMetrics(
                kind="mqar", measures={"accuracy": events.Measure(value=recall, stderr=0.012)}
            ),
        }
        cost = {"seconds": rng.uniform(8, 20), "flops_per_token": rng.uniform(6e4, 1.4e5), "tokens": 5e4}
        curve = (*self._curve("text", loss), *self._curve("recall", 1.5 - recall)) if self._curves else ()
        return events.Metrics(tasks=tasks, text_task="text", recall_task="recall", size={}, cost=cost, curve=curve)

    def _curve(self, task: str, floor: float) -> Iterator[events.CurvePoint]:
        for step in range(5, 400, 8):
            loss = floor + 3 * exp(-step / 70) + self._rng.gauss(0, 0.01)
            yield events.CurvePoint(task=task, step=step, loss=loss)


def _failure(attempt: int, *, final: bool) -> events.CodeFailed:
    message = "output 3 depends on input 7"
    return events.CodeFailed(attempt=attempt, stage="gate", reason="causality", message=message, final=final)


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, x))))
