"""How the rungs of the ladder agree: rank correlations over the designs of all campaigns that ran at both.

A design's score at a rung is its mean text loss there: the one seed of the screening, or all seeds on sealed text. A
baseline is one design, whatever campaigns it ran in.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from agents.analysis.evidence.rank_statistics import RungCorrelation, best_quarter, rung_correlation
from bus.wire.ids import BASELINE_PREFIX, is_placebo, parse_verification_run_id
from lab.operations.campaign_report.logs import CampaignLog

SCREENING = "screening"
Losses = Mapping[str, Mapping[str, float]]
"""Rung → design → mean text loss, nats per byte; rungs from the lowest."""


@dataclass(frozen=True, slots=True)
class RungAgreement:
    """Two neighbouring rungs."""

    lower: str
    upper: str
    over_all: RungCorrelation
    best: RungCorrelation
    """Within the quarter that is best at the lower rung."""


def rung_losses(logs: Sequence[CampaignLog]) -> Losses:
    """Return the scores of all designs at each rung that any has run at."""
    found: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for log in logs:
        for experiment, run in log.scored.items():
            found[f"{log.started.scale}, {SCREENING}"][_design(log, experiment)].append(run.loss)
    for rung, design, loss in sorted(_sealed_losses(logs), key=lambda row: row[0]):
        found[rung[1]][design].append(loss)
    return {rung: {design: fmean(losses) for design, losses in of.items()} for rung, of in found.items()}


def agreements(losses: Losses) -> Iterator[RungAgreement]:
    """Yield how each rung agrees with the next one."""
    for (lower, cheap), (upper, costly) in pairwise(losses.items()):
        designs = [design for design in cheap if design in costly]
        below, above = (np.array([-of[design] for design in designs]) for of in (cheap, costly))
        yield RungAgreement(lower, upper, rung_correlation(below, above), best_quarter(below, above))


def _design(log: CampaignLog, experiment: str) -> str:
    return experiment if experiment.startswith(BASELINE_PREFIX) else f"{log.name} {experiment}"


def _sealed_losses(logs: Sequence[CampaignLog]) -> Iterator[tuple[tuple[int, str], str, float]]:
    """Yield (rung's index and name), design and loss of each run on sealed text."""
    for log in logs:
        plan = log.started.verification
        for one, end in log.sealed:
            parts = parse_verification_run_id(end.run)
            if plan and parts and not is_placebo(one.experiment):
                rung = (parts.rung, f"{plan.rung_names[parts.rung]}, sealed")
                yield rung, _design(log, one.experiment), end.metrics.val_loss
