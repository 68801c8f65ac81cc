"""One experiment's life: the rows that speak of it, and what it was at any position of the log."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import attrgetter
from typing import TypeVar

from bus.vocabulary.conservative_merge import merge_scores, merge_task_scores
from bus.vocabulary.events import TaskScore
from bus.vocabulary.queries import Status
from bus.wire.ids import BASELINE_PREFIX
from memory.projections import (
    AnalysisRow,
    AnomalyRow,
    CompletionRow,
    FailureRow,
    HumanMessageRow,
    ProposalRow,
    RejectionRow,
    RevisionRow,
    RunFailureRow,
    RunStartRow,
    SlotRow,
)
from memory.rows import Row

RowT = TypeVar("RowT", bound=Row)
seq_of = attrgetter("seq")


def up_to(rows: Sequence[RowT], at: int, newest: int | None = None) -> Sequence[RowT]:
    """Return the rows, kept in log order, that had become true at a position; of many only so many newest ones."""
    if not rows:
        return rows
    end = bisect_right(rows, at, key=seq_of)
    return rows[0 if newest is None else max(0, end - newest) : end]


def if_by(row: RowT | None, at: int) -> RowT | None:
    """Return a row where it had become true at a position."""
    return row if row is not None and row.seq <= at else None


def task_scores(row: CompletionRow) -> tuple[TaskScore, ...]:
    """Return every task's own score of a completed run."""
    return _scores(row.scores)


@lru_cache(maxsize=1024)
def _scores(body: str) -> tuple[TaskScore, ...]:
    """Return the scores that JSON tells; those of the baselines are asked for again and again."""
    return tuple(TaskScore.model_construct(**score) for score in json.loads(body))


@dataclass(slots=True)
class ExperimentState:
    """What the log says of an experiment, in the order it said it."""

    id: str
    slot: SlotRow | None = None
    proposal: ProposalRow | None = None
    rejections: list[RejectionRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    revisions: list[RevisionRow] = field(default_factory=list)
    starts: list[RunStartRow] = field(default_factory=list)
    run_failures: list[RunFailureRow] = field(default_factory=list)
    completion: CompletionRow | None = None
    quarantine: AnomalyRow | None = None
    """Why its score was not believed at once."""
    replication: CompletionRow | None = None
    """How the run ended that was to bear a quarantined score out."""
    analysis: AnalysisRow | None = None
    terminal: tuple[int, Status] | None = None
    """Where it became terminal, and as what; the first such word stands."""
    veto_messages: list[HumanMessageRow] = field(default_factory=list)
    """What people said of its place in the pool: each veto, and each restoration."""

    @property
    def baseline(self) -> bool:
        """Whether it re-enters a human design."""
        return self.id.startswith(BASELINE_PREFIX)

    @property
    def opened_seq(self) -> int:
        """Where its slot was opened or, without a slot, where it was proposed; 0 before either."""
        first = self.slot or self.proposal
        return first.seq if first else 0

    def opened(self, at: int) -> bool:
        """Tell whether it was there at a position."""
        return 0 < self.opened_seq <= at

    def vetoed(self, at: int) -> bool:
        """Tell whether people had taken it out of the pool; the newest word stands."""
        said = up_to(self.veto_messages, at, newest=1)
        return bool(said) and said[-1].kind == "veto"

    def status(self, at: int) -> Status:
        """Tell how far it was. A failed attempt puts it back into the queue until training begins again."""
        if self.terminal is not None and self.terminal[0] <= at:
            return self.terminal[1]
        if if_by(self.quarantine, at):
            return "quarantined"
        started, failed, faulty = up_to(self.starts, at), up_to(self.failures, at), up_to(self.run_failures, at)
        stopped = max((rows[-1].seq for rows in (failed, faulty) if rows), default=0)
        return "running" if started and started[-1].seq > stopped else "queued"

    def score(self, at: int) -> CompletionRow | None:
        """Return the figures that counted for it: those of its run or, after a second one, the worse of both."""
        first, second = if_by(self.completion, at), if_by(self.replication, at)
        if first is None or second is None:
            return first
        told = merge_task_scores(task_scores(first), task_scores(second))
        return replace(first, scores=json.dumps([score.model_dump() for score in told]), **merge_scores(first, second))

    def attempt(self, at: int) -> int:
        """Return the newest attempt."""
        return max((row.attempt for row in up_to(self.revisions, at)), default=0)

    def source_seq(self, at: int) -> int | None:
        """Return the position of the event that carries the newest attempt's source."""
        revised = max(up_to(self.revisions, at), key=lambda row: row.attempt, default=None)
        newest = revised or if_by(self.proposal, at)
        return newest.seq if newest else None
