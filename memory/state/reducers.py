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
from bus.wire.ids import parse_run_id
from memory.projections import (
    AnalysisRow,
    AnomalyRow,
    CampaignRow,
    CompletionRow,
    FailureRow,
    HumanMessageRow,
    PoolRow,
    ProposalRow,
    RejectionRow,
    RevisionRow,
    RunFailureRow,
    RunStartRow,
    SlotRow,
    TransitionRow,
)
from memory.rows import Row
from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import ExperimentState


def apply_row(course: CampaignState, row: Row) -> None:
    """Let a course take in a row; rows that no answer needs pass by."""
    lesson = _REDUCERS.get(type(row))
    if lesson is not None:
        lesson(course, row)


def _end(course: CampaignState, life: ExperimentState, seq: int, status: Status) -> None:
    """End a life; a baseline that was trained had settled its slot before."""
    if life.terminal is not None or not life.opened_seq:
        return
    life.terminal = (seq, status)
    course.end_seqs[status].append(seq)
    course.stop_awaiting(life.id, seq)
    if not (life.baseline and life.completion):
        _settle(course, life, seq)


def _settle(course: CampaignState, life: ExperimentState, seq: int) -> None:
    if life.slot is not None:
        course.settled_seqs.append(seq)
    if life.baseline:
        course.settled_baselines.append(seq)


def _opening(course: CampaignState, row: CampaignRow) -> None:
    if course.opening is None:
        course.opening, course.started = row, CampaignStarted.model_validate_json(row.body)


def _word(course: CampaignState, row: HumanMessageRow) -> None:
    course.human_messages[row.kind].append(row)
    if row.kind in {"veto", "restore"} and row.target:
        course.experiment(row.target).veto_messages.append(row)
        course.ever_vetoed.add(row.target)


def _pool(course: CampaignState, row: PoolRow) -> None:
    """Let the newest renewal stand, though an earlier one may be said after it."""
    if not course.pools or row.generation > course.pools[-1].generation:
        course.pools.append(row)


def _slot(course: CampaignState, row: SlotRow) -> None:
    life = course.experiment(row.experiment)
    if life.slot is None:
        life.slot = row
        course.slot_seqs.append(row.seq)
        course.slots_ahead.add(row.slot)
        while (slot := len(course.watermark_seqs)) in course.slots_ahead:
            course.slots_ahead.remove(slot)
            course.watermark_seqs.append(row.seq)
        course.opened.append(life)
        if life.baseline:
            course.baselines.append(life)


def _proposal(course: CampaignState, row: ProposalRow) -> None:
    life = course.experiment(row.experiment)
    if life.proposal is None:
        life.proposal = row
        course.proposals.append(row)
        course.fingerprints[row.fingerprint].append(row)
        if life.slot is None:
            course.opened.append(life)


def _rejection(course: CampaignState, row: RejectionRow) -> None:
    life = course.experiment(row.experiment)
    life.rejections.append(row)
    if row.final:
        _end(course, life, row.seq, "rejected")


def _failure(course: CampaignState, row: FailureRow) -> None:
    life = course.experiment(row.experiment)
    life.failures.append(replace(row, tail=""))
    if row.final:
        _end(course, life, row.seq, "failed")


def _revision(course: CampaignState, row: RevisionRow) -> None:
    course.experiment(row.experiment).revisions.append(row)
    course.fingerprints[row.fingerprint].append(row)


def _start(course: CampaignState, row: RunStartRow) -> None:
    course.experiment(row.experiment).starts.append(replace(row, gates=""))


def _fault(course: CampaignState, row: RunFailureRow) -> None:
    course.experiment(row.experiment).run_failures.append(row)


def _completion(course: CampaignState, row: CompletionRow) -> None:
    life = course.experiment(row.experiment)
    if life.terminal is not None or not life.opened_seq:
        return
    if life.completion is not None:
        if life.quarantine is not None and life.replication is None and parse_run_id(row.run).shard:
            life.replication = row
        return
    life.completion = course.unanalysed[row.experiment] = row
    if life.baseline:
        _settle(course, life, row.seq)


def _anomaly(course: CampaignState, row: AnomalyRow) -> None:
    """Put a result that is too good aside; what a monitor stopped has its RunFailed."""
    life = course.experiment(row.experiment)
    if row.kind == TOO_GOOD and life.completion is not None and life.quarantine is None and life.terminal is None:
        life.quarantine = row
        course.stop_awaiting(life.id, row.seq)


def _analysis(course: CampaignState, row: AnalysisRow) -> None:
    life = course.experiment(row.experiment)
    if life.terminal is not None or not life.opened_seq:
        return
    life.analysis = row
    _end(course, life, row.seq, "analysed")
    insort(course.ranked, (-row.fitness, life.opened_seq, row.seq, life.id))
    if life.proposal is not None and life.proposal.parent:
        course.children[life.proposal.parent].append(row)


_REDUCERS: dict[type[Row], Callable[[CampaignState, Any], None]] = {
    CampaignRow: _opening,
    TransitionRow: lambda course, row: course.transitions.append(row),
    PoolRow: _pool,
    HumanMessageRow: _word,
    SlotRow: _slot,
    ProposalRow: _proposal,
    RejectionRow: _rejection,
    FailureRow: _failure,
    RevisionRow: _revision,
    RunStartRow: _start,
    RunFailureRow: _fault,
    AnomalyRow: _anomaly,
    CompletionRow: _completion,
    AnalysisRow: _analysis,
}
"""What is learned from which kind of row."""
