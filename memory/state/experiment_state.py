"""The state of one experiment: its rows, and its status, scores and source at any position of the log."""

from dataclasses import dataclass, field
from functools import lru_cache

from bus.vocabulary.events import Metrics
from bus.vocabulary.queries import Status
from bus.wire.ids import BASELINE_PREFIX
from memory.projections import (
    AnalysisRow,
    AnomalyRow,
    ChosenPolicyRow,
    CompletionRow,
    FailureRow,
    GraftSlotRow,
    HumanMessageRow,
    ImportRow,
    ObjectiveRow,
    ProposalRow,
    RejectionRow,
    RevisionRow,
    RunFailureRow,
    RunStartRow,
    SlotRow,
)
from memory.state.as_of import as_of, rows_as_of


@lru_cache(maxsize=1024)
def parse_metrics(body: str) -> Metrics:
    """Parse the metrics of a run; the cache serves the baselines, which are compared again and again."""
    return Metrics.model_validate_json(body)


@dataclass(slots=True)
class ExperimentState:
    """What the log says of an experiment; every list is in log order."""

    id: str
    slot: SlotRow | None = None
    chosen_policy: ChosenPolicyRow | None = None
    """The policy, among several, that suggested what it starts from."""
    graft_slot: GraftSlotRow | None = None
    """The formula that the slot was to put into a design."""
    proposal: ProposalRow | None = None
    imported: ImportRow | None = None
    """What the history that it comes from says of it."""
    rejections: list[RejectionRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    revisions: list[RevisionRow] = field(default_factory=list)
    starts: list[RunStartRow] = field(default_factory=list)
    run_failures: list[RunFailureRow] = field(default_factory=list)
    completion: CompletionRow | None = None
    """The end of its first run that completed."""
    quarantine: AnomalyRow | None = None
    """The anomaly that put it in quarantine."""
    replication: CompletionRow | None = None
    """The end of the second run of a quarantined experiment."""
    analysis: AnalysisRow | None = None
    objective: ObjectiveRow | None = None
    """What its analysis says of the campaign's objective, if that has one."""
    terminal: tuple[int, Status] | None = None
    """Position at which it became terminal, and its status from then on; the first one stands."""
    veto_messages: list[HumanMessageRow] = field(default_factory=list)
    """Each veto of a person, and each restoration."""

    @property
    def baseline(self) -> bool:
        """Whether it is a human baseline."""
        return self.id.startswith(BASELINE_PREFIX)

    @property
    def opened_seq(self) -> int:
        """Position of its slot or, without a slot, of its proposal or import; 0 before them."""
        first = self.slot or self.proposal
        return first.seq if first else 0

    def opened(self, position: int) -> bool:
        """Return whether it had been opened."""
        return 0 < self.opened_seq <= position

    def vetoed(self, position: int) -> bool:
        """Return whether people had taken it out of the pool; the newest message stands."""
        newest = rows_as_of(self.veto_messages, position, newest=1)
        return bool(newest) and newest[-1].kind == "veto"

    def status(self, position: int) -> Status:
        """Return its status. A failed attempt puts it back into the queue until training begins again."""
        if self.terminal is not None and self.terminal[0] <= position:
            return self.terminal[1]
        if as_of(self.quarantine, position):
            return "quarantined"
        starts = rows_as_of(self.starts, position, newest=1)
        ends = (*rows_as_of(self.failures, position, newest=1), *rows_as_of(self.run_failures, position, newest=1))
        last_end = max((end.seq for end in ends), default=0)
        return "running" if starts and starts[-1].seq > last_end else "queued"

    def metrics(self, position: int) -> Metrics | None:
        """Return its metrics: those of its run or, once a replication has completed, the worse of both runs."""
        first, second = as_of(self.completion, position), as_of(self.replication, position)
        if first is None:
            return None
        metrics = parse_metrics(first.metrics)
        return metrics if second is None else metrics.worst_with(parse_metrics(second.metrics))

    def attempt(self, position: int) -> int:
        """Return the newest attempt."""
        return max((row.attempt for row in rows_as_of(self.revisions, position)), default=0)

    def newest_source(self, position: int) -> ProposalRow | RevisionRow | None:
        """Return the row of the event with the newest attempt's source and design."""
        revised = max(rows_as_of(self.revisions, position), key=lambda row: row.attempt, default=None)
        return revised or as_of(self.proposal, position)
