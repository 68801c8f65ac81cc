"""The rules that hold after a campaign whose processes were killed.

- Nothing is lost: every experiment of the plan has exactly one end (analysed, given up or rejected).
- Nothing is repeated: no two events of the log share an id, and no subject that is allowed once has a second event.
- The memory that the services wrote has the digest of one rebuilt from the log (law 1).
- Every role, replayed on the log and its traces, decides as recorded (law 2).
- The hash chain covers the log to the campaign's end, and there is no dead letter.

With several slots, the order of the log depends on which process is faster, so two logs differ even without kills.
With one slot, each event has one successor, apart from insights. Without these, the log must then equal that of the
campaign without kills at every position, in id (hence the whole tree of causes), subject and data. Time and instance
are set to the same values first; then both logs give memories with one digest.
"""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from agents.design import BASELINES
from bus.audit import chain
from bus.delivery.replay import replay_role
from bus.delivery.traces import read_traces
from bus.wire.envelope import Envelope
from lab.home import Home
from lab.operations import replay
from lab.roster import decider_specs
from memory.store import Store
from tests.support.campaign_checks import slot_names
from tests.support.kill_campaign import Outcome, RandomKiller

MAX_DIFFERENCES = 3
"""Decisions whose difference is reported."""


def faults_of(outcome: Outcome, experiments: int, *, reference: Outcome | None = None) -> list[str]:
    """Return every fault of an outcome of so many experiments and the default baselines, one line each.

    With `reference`, the outcome of the same plan without kills, both logs must be equal too.
    """
    faults = [
        *_repetition_faults(outcome),
        *_ending_faults(outcome, slot_names(experiments, tuple(BASELINES))),
        *_memory_faults(outcome),
        *_chain_faults(outcome),
        *_decision_faults(outcome),
    ]
    return [*faults, *_differences(outcome.comparable_log(), reference.comparable_log())] if reference else faults


def _repetition_faults(outcome: Outcome) -> list[str]:
    """Return ids that two events share, and subjects that are allowed once and have several events."""
    ids = Counter(envelope.id for envelope in outcome.log)
    pairs = zip(outcome.messages, outcome.log, strict=True)
    unique_subjects = Counter(stored.subject for stored, envelope in pairs if envelope.event.once)
    repeated_ids, repeated_subjects = (
        [key for key, count in counts.items() if count > 1] for counts in (ids, unique_subjects)
    )
    checks = {
        f"ids of several events: {repeated_ids[:3]}": repeated_ids,
        f"several events where one is allowed: {repeated_subjects[:3]}": repeated_subjects,
    }
    return [text for text, failed in checks.items() if failed]


def _ending_faults(outcome: Outcome, planned: set[str]) -> list[str]:
    """Return whether the campaign has not ended, or not with one end of each planned experiment."""
    several = {name: count for name, count in outcome.ends().items() if count != 1}
    difference = planned ^ outcome.ends().keys()
    checks = {
        "the campaign did not finish": not outcome.finished,
        f"experiments with several ends: {several}": several,
        f"experiments without an end, or with one and not of the plan: {sorted(difference)[:5]}": difference,
        f"{outcome.dead_letters} dead letters": outcome.dead_letters,
    }
    return [text for text, failed in checks.items() if failed]


def _memory_faults(outcome: Outcome) -> list[str]:
    """Compare the campaign's memory with one rebuilt from the log."""
    with Store(Home(outcome.home).database, read_only=True) as store:
        position, digest = store.position, store.digest()
    rebuilt = replay.rebuild([envelope for envelope in outcome.log if envelope.seq <= position])
    checks = {
        f"memory stopped at {position} of {len(outcome.log)}": position < outcome.end(),
        "memory differs from one rebuilt from the log": rebuilt["digest"] != digest,
    }
    return [text for text, failed in checks.items() if failed]


def _chain_faults(outcome: Outcome) -> list[str]:
    """Verify the hash chain up to the end of the campaign; a server that lost messages may leave positions out."""
    links = list(chain.read_chain(Home(outcome.home).chain))
    check, covered = chain.verify_chain(links, outcome.messages), links[-1].seq if links else 0
    if check.first_difference is None and covered >= outcome.end():
        return []
    return [f"the chain ends at {covered} of {outcome.end()}; {check.first_difference} {check.detail}"]


def _decision_faults(outcome: Outcome) -> list[str]:
    """Replay every role and return the first differences."""
    traces = read_traces(outcome.traces)
    return [
        f"{name}: {difference}"
        for name, spec in decider_specs().items()
        for _, difference in replay_role(spec, outcome.log, traces)
        if difference is not None
    ][:MAX_DIFFERENCES]


def _differences(log: Sequence[Envelope], reference: Sequence[Envelope]) -> list[str]:
    """Return the first position at which two logs differ, and whether their memories have different digests."""
    pairs = enumerate(zip_longest(log, reference), 1)
    different = (
        f"position {seq}: {actual!s:.300} instead of {expected!s:.300}"
        for seq, (actual, expected) in pairs
        if actual != expected
    )
    digests = {replay.rebuild(events)["digest"] for events in (log, reference)}
    return [*list(different)[:1], *(["the two logs give different memories"] if len(digests) > 1 else [])]


def summary_line(outcome: Outcome, killer: RandomKiller, faults: Sequence[str]) -> str:
    """Return a campaign's figures as one line of JSON."""
    return json.dumps(
        {
            "seed": killer.seed,
            "experiments": len(outcome.ends()),
            "events": len(outcome.log),
            "kills": killer.kills.total(),
            "by_service": dict(sorted(killer.kills.items())),
            "damages": dict(sorted(killer.damages.items())),
            "restarts": outcome.restarts,
            "seconds": round(outcome.seconds, 1),
            "faults": list(faults),
        }
    )
