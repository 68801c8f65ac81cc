"""Reducers: each applies one kind of row to the state of a campaign; rows come in the order of the log.

The first event on a matter stands: a slot opens once, an experiment ends once. An event that contradicts it later keeps
its row, but changes no answer.
"""

import json
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from operator import attrgetter
from typing import Any

from bus.vocabulary.design_edits import design_items, formula_items
from bus.vocabulary.events import TOO_GOOD, CampaignForked, CampaignStarted
from bus.vocabulary.queries import Status
from bus.wire.ids import parse_run_id
from memory.projections import (
    AnalysisRow,
    AnomalyRow,
    CampaignRow,
    ChosenPolicyRow,
    CoinedUnitRow,
    CompletionRow,
    FailureRow,
    ForecastRow,
    ForkRow,
    GraftSlotRow,
    HumanMessageRow,
    ImportRow,
    InsightsRow,
    ModelAnswerRow,
    ObjectiveRow,
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
from memory.scoring.scoreboard import Entry
from memory.state.campaign_state import CampaignState, RankedExperiment, RankedImport
from memory.state.experiment_state import ExperimentState
from memory.state.verification_state import VERIFICATION_ROWS

Reducer = Callable[[CampaignState, Any], None]

_REDUCERS: dict[type[Row], Reducer] = {}
_LISTED: Mapping[type[Row], Callable[[CampaignState], list[Any]]] = {
    TransitionRow: attrgetter("transitions"),
    ModelAnswerRow: attrgetter("model_answers"),
    ForecastRow: attrgetter("forecasts"),
    InsightsRow: attrgetter("insights"),
    CoinedUnitRow: attrgetter("coined"),
}
"""The lists of rows that change nothing else."""


def apply_row(campaign: CampaignState, row: Row) -> None:
    """Apply a row to the state of its campaign; kinds of rows that no answer reads are ignored."""
    kind = type(row)
    if rows := _LISTED.get(kind):
        rows(campaign).append(row)
    elif reducer := _REDUCERS.get(kind):
        reducer(campaign, row)


def _reduces(kind: type[Row]) -> Callable[[Reducer], Reducer]:
    """Declare the reducer of one kind of row."""

    def register(reducer: Reducer) -> Reducer:
        assert kind not in _REDUCERS, f"{kind.__name__} has two reducers"
        _REDUCERS[kind] = reducer
        return reducer

    return register


@_reduces(CampaignRow)
def _start_campaign(campaign: CampaignState, row: CampaignRow) -> None:
    if campaign.start_row is None:
        campaign.start_row, campaign.started = row, CampaignStarted.model_validate_json(row.body)


@_reduces(ForkRow)
def _change_course(campaign: CampaignState, row: ForkRow) -> None:
    started = campaign.started_as_of(row.seq)
    if started is None:
        return
    campaign.forks.append((row.seq, CampaignForked.model_validate_json(row.body).applied_to(started)))
    if row.policy is not None:
        campaign.policy_seqs.append(row.seq)


@_reduces(PoolRow)
def _renew_pool(campaign: CampaignState, row: PoolRow) -> None:
    """Keep the newest generation; concurrent decisions may publish an earlier one after it.

    After a fork changed the policy, a decision about an event before that may still publish the old one's state.
    """
    started, newest = campaign.started_as_of(row.seq), campaign.pool_as_of(row.seq)
    if campaign.policy_seqs and started and row.policy != started.policy:
        return
    if newest is None or row.generation > newest.generation:
        campaign.pools.append(row)


@_reduces(HumanMessageRow)
def _record_message(campaign: CampaignState, row: HumanMessageRow) -> None:
    campaign.human_messages[row.kind].append(row)
    if row.kind in {"veto", "restore"} and row.target:
        campaign.experiment(row.target).veto_messages.append(row)
        campaign.ever_vetoed.add(row.target)
        campaign.veto_seqs.append(row.seq)


@_reduces(SlotRow)
def _open_slot(campaign: CampaignState, row: SlotRow) -> None:
    experiment = campaign.experiment(row.experiment)
    if experiment.slot is not None:
        return
    experiment.slot = row
    campaign.slot_seqs.append(row.seq)
    campaign.opened.append(experiment)
    if experiment.baseline:
        campaign.baselines.append(experiment)
    _raise_watermark(campaign, row)


@_reduces(ChosenPolicyRow)
def _choose_policy(campaign: CampaignState, row: ChosenPolicyRow) -> None:
    experiment = campaign.experiment(row.experiment)
    experiment.chosen_policy = experiment.chosen_policy or row  # the first opening stands


@_reduces(GraftSlotRow)
def _choose_graft(campaign: CampaignState, row: GraftSlotRow) -> None:
    experiment = campaign.experiment(row.experiment)
    experiment.graft_slot = experiment.graft_slot or row  # the first opening stands


def _raise_watermark(campaign: CampaignState, row: SlotRow) -> None:
    """Raise the watermark past every slot that is open now without a gap before it."""
    campaign.slots_ahead.add(row.slot)
    while (slot := len(campaign.watermark_seqs)) in campaign.slots_ahead:
        campaign.slots_ahead.remove(slot)
        campaign.watermark_seqs.append(row.seq)


@_reduces(ProposalRow)
def _propose(campaign: CampaignState, row: ProposalRow) -> None:
    experiment = campaign.experiment(row.experiment)
    if experiment.proposal is not None:
        return
    experiment.proposal = row
    campaign.proposals.append(row)
    campaign.sources_by_fingerprint[row.fingerprint].append(row)
    if row.cognition:
        campaign.reading_seqs.append(row.seq)
    for key in row.cognition:
        campaign.seqs_by_paper[key].append(row.seq)
    if experiment.slot is None:  # a person's or an imported idea opens its experiment itself; no slot follows for it
        campaign.opened.append(experiment)


@_reduces(ImportRow)
def _import(campaign: CampaignState, row: ImportRow) -> None:
    """End an imported experiment with its proposal, which has the same position unless the id was taken before."""
    experiment = campaign.experiment(row.experiment)
    if experiment.proposal is None or experiment.proposal.seq != row.seq or experiment.slot is not None:
        return
    experiment.imported = row
    _end(campaign, experiment, row.seq, "imported")
    insort(campaign.imports, RankedImport(inf if row.merit is None else -row.merit, row.seq, row.experiment))


@_reduces(RejectionRow)
def _reject(campaign: CampaignState, row: RejectionRow) -> None:
    experiment = campaign.experiment(row.experiment)
    experiment.rejections.append(row)
    if row.final:
        _end(campaign, experiment, row.seq, "rejected")


@_reduces(FailureRow)
def _fail(campaign: CampaignState, row: FailureRow) -> None:
    experiment = campaign.experiment(row.experiment)
    experiment.failures.append(replace(row, tail=""))
    if row.final:
        _end(campaign, experiment, row.seq, "failed")


@_reduces(RevisionRow)
def _revise(campaign: CampaignState, row: RevisionRow) -> None:
    campaign.experiment(row.experiment).revisions.append(row)
    campaign.sources_by_fingerprint[row.fingerprint].append(row)


@_reduces(RunStartRow)
def _start_run(campaign: CampaignState, row: RunStartRow) -> None:
    campaign.experiment(row.experiment).starts.append(replace(row, gates=""))


@_reduces(RunFailureRow)
def _fail_run(campaign: CampaignState, row: RunFailureRow) -> None:
    campaign.experiment(row.experiment).run_failures.append(row)


@_reduces(CompletionRow)
def _complete_run(campaign: CampaignState, row: CompletionRow) -> None:
    experiment = campaign.experiment(row.experiment)
    if experiment.terminal is not None or not experiment.opened_seq:
        return
    if experiment.completion is not None:
        _replicate(experiment, row)
        return
    experiment.completion = campaign.unanalysed[row.experiment] = row
    if experiment.baseline:
        _settle(campaign, experiment, row.seq)


def _replicate(experiment: ExperimentState, row: CompletionRow) -> None:
    """Take a further run as the replication, if the experiment is in quarantine and has none yet."""
    if experiment.quarantine is not None and experiment.replication is None and parse_run_id(row.run).shard:
        experiment.replication = row


@_reduces(AnomalyRow)
def _quarantine(campaign: CampaignState, row: AnomalyRow) -> None:
    """Put a result that is too good in quarantine; a run that the monitor stopped has its RunFailed instead."""
    experiment = campaign.experiment(row.experiment)
    waits = experiment.completion is not None and experiment.terminal is None
    if row.kind == TOO_GOOD and waits and experiment.quarantine is None:
        experiment.quarantine = row
        campaign.stop_awaiting_analysis(experiment.id, row.seq)


@_reduces(AnalysisRow)
def _analyse(campaign: CampaignState, row: AnalysisRow) -> None:
    experiment = campaign.experiment(row.experiment)
    if experiment.terminal is not None or not experiment.opened_seq:
        return
    experiment.analysis = row
    campaign.analysed.append(row)
    _end(campaign, experiment, row.seq, "analysed")
    insort(campaign.ranked, RankedExperiment(-row.fitness, experiment.opened_seq, row.seq, experiment.id))
    if experiment.proposal is not None and experiment.proposal.parent:
        campaign.analyses_by_parent[experiment.proposal.parent].append(row)


@_reduces(ObjectiveRow)
def _score(campaign: CampaignState, row: ObjectiveRow) -> None:
    """Enter an analysed experiment on the scoreboard, with the design that was trained."""
    experiment = campaign.experiment(row.experiment)
    if experiment.analysis is None or experiment.analysis.seq != row.seq:
        return
    experiment.objective = row
    newest = experiment.newest_source(row.seq)
    design = json.loads(newest.design) if newest and newest.design else None
    items, formulas = (design_items(design), formula_items(design)) if design else (None, {})
    campaign.scoreboard.add(Entry(row, experiment.opened_seq, items, formulas))


def _verify(campaign: CampaignState, row: Row) -> None:
    campaign.verification.apply(row)


for _kind in VERIFICATION_ROWS:
    _reduces(_kind)(_verify)


def _end(campaign: CampaignState, experiment: ExperimentState, seq: int, status: Status) -> None:
    """Make an experiment terminal and settle its slot; that of a trained baseline is settled already."""
    if experiment.terminal is not None or not experiment.opened_seq:
        return
    experiment.terminal = (seq, status)
    campaign.end_seqs[status].append(seq)
    campaign.stop_awaiting_analysis(experiment.id, seq)
    if not (experiment.baseline and experiment.completion):
        _settle(campaign, experiment, seq)


def _settle(campaign: CampaignState, experiment: ExperimentState, seq: int) -> None:
    if experiment.slot is not None:
        campaign.settled_seqs.append(seq)
    if experiment.baseline:
        campaign.settled_baseline_seqs.append(seq)
