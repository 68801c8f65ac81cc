"""What a person watching wants to know, folded from the log and the loss points; pure, so that it can be tested."""

from collections import Counter, deque
from dataclasses import dataclass, field
from time import time

from bus.vocabulary import events
from bus.vocabulary.conservative_merge import merge_scores
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_run_id

STAGE_BY_EVENT = {
    "ProposalRequested": "thinking",
    "ProposalRejected": "thinking",
    "ProposalCreated": "checking",
    "CodeRevised": "repaired",
    "RunRequested": "waiting for a trainer",
    "RunStarted": "training",
    "RunFailed": "repairing",
    "RunCompleted": "analysing",
}
QUARANTINED = "quarantined"
"""The stage after a score that does not count yet, before a second run is asked for."""


@dataclass
class ExperimentRow:
    """An experiment under way or done."""

    id: str
    name: str = ""
    stage: str = "thinking"
    losses: dict[str, float] = field(default_factory=dict)
    curve: list[events.CurvePoint] = field(default_factory=list)
    """Readings of the attempt that trains."""
    progress: float = 0.0
    """Fraction of the training steps done."""
    attempt: int = 0
    run: str = ""
    """The newest run."""
    quarantined: bool = False
    """Whether its score does not count before a second run bears it out."""
    result: events.RunCompleted | None = None
    fitness: float | None = None
    ended: str = ""
    """`analysed`, `failed` or `rejected` once it is over."""

    @property
    def stage_text(self) -> str:
        """The stage in words, with what led to it."""
        notes = [f"repair {self.attempt}"] if self.attempt else []
        notes += [QUARANTINED] if self.quarantined and self.stage != QUARANTINED else []
        return f"{self.stage} ({', '.join(notes)})" if notes else self.stage


@dataclass
class CampaignView:
    """Everything on the screen."""

    campaign: str
    started: events.CampaignStarted | None = None
    rows: dict[str, ExperimentRow] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    budget: int = 0
    budget_after: int | None = None
    """Position past which a new budget, asked for and not yet heard, has to come before anything can be over."""
    paused: bool = False
    finished: events.CampaignFinished | None = None
    human: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    pace: list[float] = field(default_factory=list)
    """When experiments ended, for the time left."""

    def apply(self, envelope: Envelope) -> None:
        """Take one event of the log into account."""
        event = envelope.event
        self.counts[envelope.type] += 1
        self.recent.append(envelope.time.timestamp())
        match event:
            case events.CampaignStarted():
                self.started, self.budget = event, event.experiments
            case events.CampaignPaused() | events.CampaignResumed():
                self.paused, self.finished = isinstance(event, events.CampaignPaused), None
            case events.CampaignFinished():
                self.finished = event
            case events.HumanMessage():
                self._heard(event, envelope.seq)
            case _:
                if envelope.type in STAGE_BY_EVENT or envelope.type in ("RunAnomaly", "CodeFailed", "AnalysisReady"):
                    self._progress(
                        envelope, self.rows.setdefault(envelope.experiment, ExperimentRow(envelope.experiment))
                    )

    def _heard(self, event: events.HumanMessage, seq: int) -> None:
        """Keep a person's words, and the budget they may set."""
        self.human.append(f"{event.by}: {event.kind} {event.text}"[:120])
        if event.kind == "budget" and event.text.isdecimal():
            self.budget = int(event.text)
            if self.budget_after is not None and seq > self.budget_after:
                self.budget_after = None

    def _progress(self, envelope: Envelope, row: ExperimentRow) -> None:
        """Move an experiment on."""
        row.stage = STAGE_BY_EVENT.get(envelope.type, row.stage)
        match envelope.event:
            case events.ProposalCreated(name=name):
                row.name = name
            case events.RunRequested(run=run, attempt=attempt):
                row.run, row.attempt, row.losses, row.curve, row.progress = run, attempt, {}, [], 0.0
            case events.RunAnomaly(action="quarantined"):
                row.quarantined, row.stage = True, QUARANTINED
            case events.RunCompleted() as result:
                first = row.result if row.quarantined else None
                row.result = first.model_copy(update=merge_scores(first, result)) if first else result
                row.progress = 1.0
            case events.AnalysisReady(fitness=fitness):
                row.fitness = fitness
                self._end(row, "analysed", envelope)
            case events.CodeFailed(final=True):
                self._end(row, "failed", envelope)
            case events.ProposalRejected(final=True):
                self._end(row, "rejected", envelope)
            case _:
                pass

    def _end(self, row: ExperimentRow, how: str, envelope: Envelope) -> None:
        """Note that an experiment is over."""
        row.ended = row.stage = how
        row.curve = []
        self.pace.append(envelope.time.timestamp())

    def point(self, point: events.LossPoint) -> None:
        """Take one loss reading into account."""
        row = self.rows.get(parse_run_id(point.run).experiment)
        if row and not row.ended and point.run == row.run:
            row.losses[point.task] = point.loss
            row.curve.append(events.CurvePoint(task=point.task, step=point.step, loss=point.loss))
            row.progress = min(1.0, point.step / point.steps)

    def open_rows(self) -> list[ExperimentRow]:
        """Return what is under way, furthest first."""
        order = [*STAGE_BY_EVENT.values(), QUARANTINED]
        rows = [row for row in self.rows.values() if not row.ended]
        return sorted(rows, key=lambda row: (-order.index(row.stage), row.id))

    def leaders(self, most: int = 10) -> list[ExperimentRow]:
        """Return the best so far."""
        scored = [row for row in self.rows.values() if row.fitness is not None]
        return sorted(scored, key=lambda row: -(row.fitness or 0.0))[:most]

    def total(self) -> int:
        """Return how many experiments the campaign will have, people's included."""
        people = sum(1 for row in self.rows if row.startswith("h-"))
        return self.budget + people + (len(self.started.baselines) if self.started else 0)

    def ended(self) -> int:
        """Return how many are over."""
        return sum(1 for row in self.rows.values() if row.ended)

    def is_over(self) -> bool:
        """Say whether nothing is to come: stopped, or finished with every experiment of today's budget ended."""
        if self.budget_after is not None:
            return False
        return self.finished is not None and (self.finished.reason == "stopped" or self.ended() >= self.total())

    def events_per_minute(self) -> int:
        """Return how many events came in the last minute."""
        since = time() - 60.0
        return sum(1 for when in self.recent if when > since)

    def seconds_left(self) -> float | None:
        """Return an estimate from the pace of the last twenty ends; None before the second."""
        last = self.pace[-20:]
        if len(last) < 2 or last[-1] == last[0]:
            return None
        return (self.total() - self.ended()) * (last[-1] - last[0]) / (len(last) - 1)


def is_baseline(experiment: str) -> bool:
    """Say whether an experiment is a human baseline."""
    return experiment.startswith(BASELINE_PREFIX)
