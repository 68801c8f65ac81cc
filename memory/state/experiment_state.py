"""One experiment's life: the rows that speak of it, and what it was at any position of the log."""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import attrgetter
from typing import TypeVar

from bus.vocabulary.conservative_merge import worse, worse_scores
from bus.vocabulary.events import TaskScore
from bus.vocabulary.queries import Status
from bus.wire.ids import BASELINE_PREFIX
from memory.projections import (
    Analysis,
    Anomaly,
    Completion,
    Failure,
    Fault,
    Proposal,
    Rejection,
    Revision,
    Slot,
    Start,
    Word,
)
from memory.rows import Row

RowT = TypeVar("RowT", bound=Row)
seq_of = attrgetter("seq")


def until(rows: Sequence[RowT], at: int, newest: int | None = None) -> Sequence[RowT]:
    """Return the rows, kept in log order, that had become true at a position; of many only so many newest ones."""
    if not rows:
        return rows
    end = bisect_right(rows, at, key=seq_of)
    return rows[0 if newest is None else max(0, end - newest) : end]


def known(row: RowT | None, at: int) -> RowT | None:
    """Return a row where it had become true at a position."""
    return row if row is not None and row.seq <= at else None


def task_scores(row: Completion) -> tuple[TaskScore, ...]:
    """Return every task's own score of a completed run."""
    return _scores(row.scores)


@lru_cache(maxsize=1024)
def _scores(body: str) -> tuple[TaskScore, ...]:
    """Return the scores that JSON tells; those of the baselines are asked for again and again."""
    return tuple(TaskScore.model_construct(**score) for score in json.loads(body))


@dataclass(slots=True)
class Life:
    """What the log says of an experiment, in the order it said it."""

    id: str
    slot: Slot | None = None
    proposal: Proposal | None = None
    rejections: list[Rejection] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    completion: Completion | None = None
    quarantine: Anomaly | None = None
    """Why its score was not believed at once."""
    rerun: Completion | None = None
    """How the run ended that was to bear a quarantined score out."""
    analysis: Analysis | None = None
    end: tuple[int, Status] | None = None
    """Where it became terminal, and as what; the first such word stands."""
    wanted: list[Word] = field(default_factory=list)
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
        said = until(self.wanted, at, newest=1)
        return bool(said) and said[-1].kind == "veto"

    def status(self, at: int) -> Status:
        """Tell how far it was. A failed attempt puts it back into the queue until training begins again."""
        if self.end is not None and self.end[0] <= at:
            return self.end[1]
        if known(self.quarantine, at):
            return "quarantined"
        started, failed, faulty = until(self.starts, at), until(self.failures, at), until(self.faults, at)
        stopped = max((rows[-1].seq for rows in (failed, faulty) if rows), default=0)
        return "running" if started and started[-1].seq > stopped else "queued"

    def score(self, at: int) -> Completion | None:
        """Return the figures that counted for it: those of its run or, after a second one, the worse of both."""
        first, second = known(self.completion, at), known(self.rerun, at)
        if first is None or second is None:
            return first
        told = worse_scores(task_scores(first), task_scores(second))
        return replace(first, scores=json.dumps([score.model_dump() for score in told]), **worse(first, second))

    def attempt(self, at: int) -> int:
        """Return the newest attempt."""
        return max((row.attempt for row in until(self.revisions, at)), default=0)

    def source_seq(self, at: int) -> int | None:
        """Return the position of the event that carries the newest attempt's source."""
        revised = max(until(self.revisions, at), key=lambda row: row.attempt, default=None)
        newest = revised or known(self.proposal, at)
        return newest.seq if newest else None
