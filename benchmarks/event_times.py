"""Latencies and rates of a campaign, from the times of its events."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from bus.vocabulary.events import AnalysisReady, ProposalCreated, RunCompleted
from bus.wire.envelope import Envelope
from lab.client.campaign_view import is_baseline


def analysis_times(log: Sequence[Envelope]) -> list[datetime]:
    """Return the time of each candidate's analysis, in order."""
    return [
        envelope.time
        for envelope in log
        if isinstance(envelope.event, AnalysisReady) and not is_baseline(envelope.experiment)
    ]


def rates(times: Sequence[datetime], parts: int) -> list[float]:
    """Return the events per second in each of `parts` equal parts of their sequence."""
    cuts = [round(part * (len(times) - 1) / parts) for part in range(parts + 1)]
    spans = [(b - a, (times[b] - times[a]).total_seconds()) for a, b in pairwise(cuts) if b > a]
    return [round(count / seconds, 1) for count, seconds in spans if seconds > 0]


def proposal_latencies_ms(log: Sequence[Envelope]) -> list[float]:
    """Return the milliseconds from each RunCompleted to the ProposalCreated that it led to.

    A proposal is matched through its causes (ProposalCreated ← ProposalRequested ← AnalysisReady ← RunCompleted), so
    the figure covers the whole chain and never another slot's.
    """
    by_id = {envelope.id: envelope for envelope in log}
    latencies = []
    for envelope in log:
        if isinstance(envelope.event, ProposalCreated) and not is_baseline(envelope.experiment):
            cause = envelope
            while cause.cause and not isinstance(cause.event, RunCompleted):
                cause = by_id[cause.cause]
            if isinstance(cause.event, RunCompleted):
                latencies.append(_milliseconds(cause, envelope))
    return latencies


def latencies_by_hop(log: Sequence[Envelope]) -> dict[str, dict[str, float]]:
    """Return a summary of the milliseconds from an event to each of its effects, by their types."""
    by_id = {envelope.id: envelope for envelope in log}
    latencies: defaultdict[str, list[float]] = defaultdict(list)
    for envelope in log:
        if cause := by_id.get(envelope.cause or ""):
            latencies[f"{cause.type} to {envelope.type}"].append(_milliseconds(cause, envelope))
    return {hop: _summary(values) for hop, values in sorted(latencies.items()) if len(values) > 1}


def _milliseconds(cause: Envelope, effect: Envelope) -> float:
    return 1000 * (effect.time - cause.time).total_seconds()


def _summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return count, median and 99th percentile."""
    p99 = statistics.quantiles(milliseconds, n=100, method="inclusive")[-1]
    return {"n": len(milliseconds), "p50": round(statistics.median(milliseconds), 1), "p99": round(p99, 1)}


def run_durations_s(log: Sequence[Envelope]) -> list[float]:
    """Return the seconds of every completed run."""
    return [envelope.event.metrics.cost["seconds"] for envelope in log if isinstance(envelope.event, RunCompleted)]


def trainer_utilisation(log: Sequence[Envelope], trainers: int) -> float:
    """Return the trainers' busy share of the wall time from the first start of a run to the last end of one."""
    durations = run_durations_s(log)
    ends = [envelope.time.timestamp() for envelope in log if isinstance(envelope.event, RunCompleted)]
    if len(ends) < 2:
        return 0.0
    start = min(end - seconds for end, seconds in zip(ends, durations, strict=True))
    return sum(durations) / (trainers * (ends[-1] - start))
