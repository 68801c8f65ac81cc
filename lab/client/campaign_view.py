"""The state of a campaign that the live view shows, built from the log's events and the loss points. No I/O."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from time import time

from bus.vocabulary import events
from bus.wire.envelope import Envelope
from bus.wire.ids import BASELINE_PREFIX, parse_run_id
from lab.client.ladder import LADDER_EVENTS, Ladder
from lab.client.model_tally import ModelTally

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
"""The stage between a score that does not count yet and the request for a second run."""


@dataclass
class ExperimentRow:
    """An open or ended experiment."""

    id: str
    name: str = ""
    stage: str = "thinking"
    losses: dict[str, float] = field(default_factory=dict)
    curve: list[events.CurvePoint] = field(default_factory=list)
    """Readings of the newest run."""
    progress: float = 0.0
    """Fraction of the training steps done."""
    attempt: int = 0
    run: str = ""
    """Id of the newest run."""
    quarantined: bool = False
    """True until a second run confirms its score."""
    metrics: events.Metrics | None = None
    fitness: float | None = None
    rank_key: tuple[float, ...] = ()
    """Sort key of an analysed experiment, best first: by its objective, not shrunk, or by fitness without one."""
    vetoed: bool = False
    """True while a person's veto is in force."""
    ended: str = ""
    """`analysed`, `failed` or `rejected` once it has ended."""

    @property
    def stage_text(self) -> str:
        """The stage with its repair number and quarantine, as in `training (repair 1)`."""
        notes = [f"repair {self.attempt}"] if self.attempt else []
        notes += [QUARANTINED] if self.quarantined and self.stage != QUARANTINED else []
        return f"{self.stage} ({', '.join(notes)})" if notes else self.stage


@dataclass
class CampaignView:
    """Everything that the live view shows of one campaign."""

    campaign: str
    started: events.CampaignStarted | None = None
    rows: dict[str, ExperimentRow] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    event_times: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    begun: datetime | None = None
    """Time of the first event; None before."""
    newest: datetime | None = None
    """Time of the newest one."""
    budget: int = 0
    budget_after: int | None = None
    """A requested budget is an event after this position; until it comes, the campaign is not over."""
    paused: bool = False
    finished: events.CampaignFinished | None = None
    ladder: Ladder = field(default_factory=Ladder)
    """The climbs of candidates."""
    messages: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    models: ModelTally = field(default_factory=ModelTally)
    """What became of questions to language models."""
    insights: events.InsightsReady | None = None
    """The newest rolling insights."""
    end_times: list[float] = field(default_factory=list)
    """Unix times at which experiments ended."""

    def apply(self, envelope: Envelope) -> None:
        """Update the view with one event of the log."""
        event = envelope.event
        self.counts[envelope.type] += 1
        self.begun, self.newest = self.begun or envelope.time, envelope.time
        self.event_times.append(envelope.time.timestamp())
        self.models.add(envelope)
        match event:
            case events.CampaignStarted():
                self.started, self.budget = event, event.experiments
            case events.CampaignForked():
                self.started = event.applied_to(self.started) if self.started else None
            case events.CampaignPaused() | events.CampaignResumed():
                self.paused, self.finished = isinstance(event, events.CampaignPaused), None
            case events.CampaignFinished():
                self.finished = event
            case events.InsightsReady():
                self.insights = event
            case events.HumanMessage():
                self._apply_message(event, envelope.seq)
            case _ if isinstance(event, LADDER_EVENTS):
                self.ladder.apply(envelope)
            case _:
                if envelope.type in STAGE_BY_EVENT or envelope.type in ("RunAnomaly", "CodeFailed", "AnalysisReady"):
                    row = self.rows.setdefault(envelope.experiment, ExperimentRow(envelope.experiment))
                    self._apply_to_row(envelope, row)

    def _apply_message(self, event: events.HumanMessage, seq: int) -> None:
        """Add a person's message; one of kind `budget` also sets the budget, a veto or its end marks an experiment."""
        self.messages.append(f"{event.speaker}: {event.kind} {event.text}"[:120])
        if event.kind in ("veto", "restore") and event.target in self.rows:
            self.rows[event.target].vetoed = event.kind == "veto"
        if event.kind == "budget" and event.text.isdecimal():
            self.budget = int(event.text)
            if self.budget_after is not None and seq > self.budget_after:
                self.budget_after = None

    def _apply_to_row(self, envelope: Envelope, row: ExperimentRow) -> None:
        row.stage = STAGE_BY_EVENT.get(envelope.type, row.stage)
        match envelope.event:
            case events.ProposalCreated(name=name):
                row.name = name
            case events.RunRequested(run=run, attempt=attempt):
                row.run, row.attempt, row.losses, row.curve, row.progress = run, attempt, {}, [], 0.0
            case events.RunAnomaly(action="quarantined"):
                row.quarantined, row.stage = True, QUARANTINED
            case events.RunCompleted() as result:
                row.metrics = (
                    row.metrics.worst_with(result.metrics) if row.metrics and row.quarantined else result.metrics
                )
                row.progress = 1.0
            case events.AnalysisReady() as analysis:
                row.fitness, row.rank_key = analysis.fitness, analysis.rank_key
                self._end(row, "analysed", envelope)
            case events.CodeFailed(final=True):
                self._end(row, "failed", envelope)
            case events.ProposalRejected(final=True):
                self._end(row, "rejected", envelope)
            case _:
                pass

    def _end(self, row: ExperimentRow, status: str, envelope: Envelope) -> None:
        row.ended = row.stage = status
        row.curve = []
        self.end_times.append(envelope.time.timestamp())

    def add_loss_point(self, point: events.LossPoint) -> None:
        """Add one loss reading to its experiment, if it is of the newest run."""
        row = self.rows.get(parse_run_id(point.run).experiment)
        if row and not row.ended and point.run == row.run:
            row.losses[point.task] = point.loss
            row.curve.append(events.CurvePoint(task=point.task, step=point.step, loss=point.loss))
            row.progress = min(1.0, point.step / point.steps)

    def open_rows(self) -> list[ExperimentRow]:
        """Return the open experiments, the most advanced first."""
        order = [*STAGE_BY_EVENT.values(), QUARANTINED]
        rows = [row for row in self.rows.values() if not row.ended]
        return sorted(rows, key=lambda row: (-order.index(row.stage), row.id))

    def leaders(self, count: int = 10) -> list[ExperimentRow]:
        """Return the experiments that rank first, best first; vetoed ones do not rank."""
        scored = [row for row in self.rows.values() if row.fitness is not None and not row.vetoed]
        return sorted(scored, key=lambda row: row.rank_key)[:count]

    def total(self) -> int:
        """Return how many experiments the campaign will have: the budget, the baselines, and people's proposals."""
        proposed = sum(1 for row in self.rows if row.startswith("h-"))
        return self.budget + proposed + (len(self.started.baselines) if self.started else 0)

    def ended(self) -> int:
        """Return how many experiments have ended."""
        return sum(1 for row in self.rows.values() if row.ended)

    def is_over(self) -> bool:
        """Return True if the campaign was stopped, or is finished and every experiment of the budget has ended."""
        if self.budget_after is not None:
            return False
        return self.finished is not None and (self.finished.reason == "stopped" or self.ended() >= self.total())

    def events_per_minute(self) -> int:
        """Return how many events the last minute has."""
        since = time() - 60.0
        return sum(1 for event_time in self.event_times if event_time > since)

    def seconds_left(self) -> float | None:
        """Return an estimate from the times of the last twenty ends; None before the second end.

        None also after the last one: how long verification takes is not known.
        """
        last, remaining = self.end_times[-20:], self.total() - self.ended()
        if len(last) < 2 or last[-1] == last[0] or remaining <= 0:
            return None
        return remaining * (last[-1] - last[0]) / (len(last) - 1)


def is_baseline(experiment: str) -> bool:
    """Return True if an experiment is a baseline."""
    return experiment.startswith(BASELINE_PREFIX)
