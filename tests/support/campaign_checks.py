"""The rules that hold after every simulated campaign, whatever faults occurred.

- It has finished, every experiment of the plan (and of people) has exactly one end, and no run has two outcomes.
- A person's stop, published once or more at any moment, ends it once; no slot is opened later unless it is resumed.
- The same holds if decisions of the director are given up and a person resumes after each pause that follows.
- No two events of the log share an id, and no subject that is allowed once has a second event.
- A quarantined experiment is analysed only after a second run, and no run is requested twice.
- No experiment runs more often than `agents.analysis.quarantine.max_runs`.
- The rules of verification (`tests.support.climb_checks`).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import zip_longest

from agents.analysis.quarantine import max_runs
from bus.vocabulary.events import (
    AnalysisReady,
    CampaignFinished,
    CampaignResumed,
    CampaignStarted,
    HumanMessage,
    ProposalRequested,
    RunAnomaly,
    RunCompleted,
    RunFailed,
    RunRequested,
)
from bus.wire.envelope import Envelope
from bus.wire.ids import experiment_id, parse_run_id
from tests.support.climb_checks import broken_climb_rules
from tests.support.simulation import Laboratory


def slot_names(experiments: int, baselines: Sequence[str]) -> set[str]:
    """Return the experiments of a campaign's slots."""
    return {experiment_id(slot, baselines) for slot in range(len(baselines) + experiments)}


def start_of(lab: Laboratory) -> CampaignStarted:
    """Return a campaign's first event."""
    event = lab.log[0].event
    assert isinstance(event, CampaignStarted)
    return event


def broken_rules(lab: Laboratory) -> list[str]:
    """Return a line for each rule that a campaign broke, with the events or ids that broke it."""
    log, status, ends = lab.log, lab.status(), lab.ends()
    of_people = {envelope.experiment for envelope in log if envelope.experiment.startswith("h-")}
    plan = slot_names(status.budget, start_of(lab).baselines) | of_people
    endings = [envelope.event for envelope in log if isinstance(envelope.event, CampaignFinished)]
    stopped = any(ending.reason == "stopped" for ending in endings)
    if stopped:  # slots that were not open by then stay closed
        plan &= {envelope.experiment for envelope in lab.events(ProposalRequested)}
    runs = [envelope.event.run for envelope in log if isinstance(envelope.event, RunRequested)]
    outcomes = [envelope.event.run for envelope in log if isinstance(envelope.event, RunCompleted | RunFailed)]
    unique_subjects = [(envelope.experiment, envelope.type) for envelope in log if envelope.event.once]
    totals = {ending.analysed + ending.failed + ending.rejected for ending in endings}
    rules = {
        "the campaign did not finish": not status.finished,
        "it ended more often than it was resumed": len(endings) > 1 + len(lab.events(CampaignResumed)),
        "opened after a stop": stopped and _opened_after_stop(log),
        "no ending counts all": not (of_people or stopped) and len(ends) not in totals,
        "lost": plan - ends.keys(),
        "not in the plan": ends.keys() - plan,
        "ended twice": _repeated(ends.elements()),
        "ids used twice": _repeated(envelope.id for envelope in log),
        "published twice though allowed once": _repeated(unique_subjects),
        "quarantined and not run again": _analysed_without_replication(log),
        "runs requested twice": _repeated(runs),
        "runs with two outcomes": _repeated(outcomes),
        "run too often": _run_too_often(lab),
    }
    rules |= broken_climb_rules(lab)
    return [f"{rule}: {breach}" for rule, breach in rules.items() if breach]


def _run_too_often(lab: Laboratory) -> set[str]:
    """Return the experiments with more runs than any sequence of faults, vetoes and retries may cause."""
    counts = Counter(envelope.experiment for envelope in lab.events(RunRequested))
    return {experiment for experiment, count in counts.items() if count > max_runs(start_of(lab).attempts)}


def _opened_after_stop(log: Sequence[Envelope]) -> set[str]:
    """Return the experiments whose slot was opened by a decision on an event after a stop and before a resumption."""
    after_stop: set[str] = set()
    stopped = False
    for envelope in log:
        if isinstance(envelope.event, CampaignResumed):
            stopped = False
        elif isinstance(envelope.event, HumanMessage) and envelope.event.kind == "stop":
            stopped = True
        if stopped:
            after_stop.add(envelope.id)
    requests = [envelope for envelope in log if isinstance(envelope.event, ProposalRequested)]
    return {envelope.experiment for envelope in requests if envelope.cause in after_stop}


def quarantined(log: Iterable[Envelope]) -> set[tuple[str, str]]:
    """Return the quarantined experiments of a log, each with its campaign."""
    return {
        (envelope.campaign, envelope.experiment)
        for envelope in log
        if isinstance(envelope.event, RunAnomaly) and envelope.event.action == "quarantined"
    }


def _analysed_without_replication(log: Sequence[Envelope]) -> set[str]:
    """Return the quarantined experiments that were analysed without a second run."""
    replicated = {
        envelope.experiment
        for envelope in log
        if isinstance(envelope.event, RunCompleted) and parse_run_id(envelope.event.run).shard
    }
    analysed = {envelope.experiment for envelope in log if isinstance(envelope.event, AnalysisReady)}
    return {experiment for _, experiment in quarantined(log) if experiment in analysed - replicated}


def _repeated(values: Iterable[Hashable]) -> set[Hashable]:
    """Return the values that occur more than once."""
    return {value for value, count in Counter(values).items() if count > 1}


def first_difference(log: Sequence[Envelope], expected: Sequence[Envelope]) -> list[str]:
    """Return one line on the first event with another id, experiment or content than expected; none if all agree."""
    for number, pair in enumerate(zip_longest(log, expected), 1):
        actual, reference = (envelope and (envelope.id, envelope.experiment, envelope.event) for envelope in pair)
        if actual != reference:
            return [f"event {number} is {pair[0]!s:.300} instead of {pair[1]!s:.300}"]
    return []
