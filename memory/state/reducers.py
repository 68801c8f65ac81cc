"""What a campaign's course learns from each kind of row, one small function for each; rows come in the log's order.

The first word on a matter stands: a slot opens once, a life ends once. What contradicts it later stays in its table but
changes no answer.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bus.vocabulary.events import TOO_GOOD, CampaignStarted
from bus.vocabulary.queries import Status
from bus.wire.ids import run_of
from memory.projections import (
    Analysis,
    Anomaly,
    Completion,
    Failure,
    Fault,
    Opening,
    Pool,
    Proposal,
    Rejection,
    Revision,
    Slot,
    Start,
    Turn,
    Word,
)
from memory.rows import Row
from memory.state.campaign_state import Course
from memory.state.experiment_state import Life


def learn(course: Course, row: Row) -> None:
    """Let a course take in a row; rows that no answer needs pass by."""
    lesson = _LESSONS.get(type(row))
    if lesson is not None:
        lesson(course, row)


def _end(course: Course, life: Life, seq: int, status: Status) -> None:
    """End a life; a baseline that was trained had settled its slot before."""
    if life.end is not None or not life.opened_seq:
        return
    life.end = (seq, status)
    course.end_seqs[status].append(seq)
    course.release(life.id, seq)
    if not (life.baseline and life.completion):
        _settle(course, life, seq)


def _settle(course: Course, life: Life, seq: int) -> None:
    if life.slot is not None:
        course.settled_seqs.append(seq)
    if life.baseline:
        course.settled_baselines.append(seq)


def _opening(course: Course, row: Opening) -> None:
    if course.opening is None:
        course.opening, course.started = row, CampaignStarted.model_validate_json(row.body)


def _word(course: Course, row: Word) -> None:
    course.words[row.kind].append(row)
    if row.kind in {"veto", "restore"} and row.target:
        course.life(row.target).wanted.append(row)
        course.doubted.add(row.target)


def _pool(course: Course, row: Pool) -> None:
    """Let the newest renewal stand, though an earlier one may be said after it."""
    if not course.pools or row.generation > course.pools[-1].generation:
        course.pools.append(row)


def _slot(course: Course, row: Slot) -> None:
    life = course.life(row.experiment)
    if life.slot is None:
        life.slot = row
        course.slot_seqs.append(row.seq)
        course.slots_ahead.add(row.slot)
        while (slot := len(course.unbroken_seqs)) in course.slots_ahead:
            course.slots_ahead.remove(slot)
            course.unbroken_seqs.append(row.seq)
        course.opened.append(life)
        if life.baseline:
            course.baselines.append(life)


def _proposal(course: Course, row: Proposal) -> None:
    life = course.life(row.experiment)
    if life.proposal is None:
        life.proposal = row
        course.proposals.append(row)
        course.prints[row.fingerprint].append(row)
        if life.slot is None:
            course.opened.append(life)


def _rejection(course: Course, row: Rejection) -> None:
    life = course.life(row.experiment)
    life.rejections.append(row)
    if row.final:
        _end(course, life, row.seq, "rejected")


def _failure(course: Course, row: Failure) -> None:
    life = course.life(row.experiment)
    life.failures.append(replace(row, tail=""))
    if row.final:
        _end(course, life, row.seq, "failed")


def _revision(course: Course, row: Revision) -> None:
    course.life(row.experiment).revisions.append(row)
    course.prints[row.fingerprint].append(row)


def _start(course: Course, row: Start) -> None:
    course.life(row.experiment).starts.append(replace(row, gates=""))


def _fault(course: Course, row: Fault) -> None:
    course.life(row.experiment).faults.append(row)


def _completion(course: Course, row: Completion) -> None:
    life = course.life(row.experiment)
    if life.end is not None or not life.opened_seq:
        return
    if life.completion is not None:
        if life.quarantine is not None and life.rerun is None and run_of(row.run).shard:
            life.rerun = row
        return
    life.completion = course.unanalysed[row.experiment] = row
    if life.baseline:
        _settle(course, life, row.seq)


def _anomaly(course: Course, row: Anomaly) -> None:
    """Put a result that is too good aside; what a monitor stopped has its RunFailed."""
    life = course.life(row.experiment)
    if row.kind == TOO_GOOD and life.completion is not None and life.quarantine is None and life.end is None:
        life.quarantine = row
        course.release(life.id, row.seq)


def _analysis(course: Course, row: Analysis) -> None:
    life = course.life(row.experiment)
    if life.end is not None or not life.opened_seq:
        return
    life.analysis = row
    _end(course, life, row.seq, "analysed")
    insort(course.ranked, (-row.fitness, life.opened_seq, row.seq, life.id))
    if life.proposal is not None and life.proposal.parent:
        course.children[life.proposal.parent].append(row)


_LESSONS: dict[type[Row], Callable[[Course, Any], None]] = {
    Opening: _opening,
    Turn: lambda course, row: course.turns.append(row),
    Pool: _pool,
    Word: _word,
    Slot: _slot,
    Proposal: _proposal,
    Rejection: _rejection,
    Failure: _failure,
    Revision: _revision,
    Start: _start,
    Fault: _fault,
    Anomaly: _anomaly,
    Completion: _completion,
    Analysis: _analysis,
}
"""What is learned from which kind of row."""
