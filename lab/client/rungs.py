"""How the rungs of the ladder agree: rank correlations over the designs that ran at both.

A design's score at a rung is its mean text loss there: the one seed of the screening, or all seeds on sealed text. A
baseline is one design, whatever campaigns it ran in.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from agents.analysis.evidence.rank_statistics import RungCorrelation, best_quarter, rung_correlation
from bus.vocabulary.events import CampaignStarted
from bus.wire.ids import BASELINE_PREFIX, parse_verification_run_id
from lab.client.outcomes import ExperimentOutcome, screening_losses

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


@dataclass(frozen=True, slots=True)
class RungRun:
    """A completed run at a rung."""

    order: int
    """Place of the rung on the ladder; the screening's is below all."""
    rung: str
    design: str
    loss: float
    """Text loss, nats per byte."""


def rung_runs(found: Sequence[ExperimentOutcome], started: CampaignStarted, campaign: str = "") -> Iterator[RungRun]:
    """Yield the runs of a campaign's designs: the screening of each, and all on sealed text.

    A name of the campaign keeps its designs apart from those of others with the same ids.
    """
    for experiment, loss in screening_losses(found).items():
        yield _run(experiment, loss, -1, f"{started.scale}, {SCREENING}", campaign)
    for one in found if started.verification else ():
        if one.kind == "sealed" and one.loss is not None and (parts := parse_verification_run_id(one.run)):
            assert started.verification is not None
            yield _run(
                one.experiment, one.loss, parts.rung, f"{started.verification.rung_names[parts.rung]}, sealed", campaign
            )


def _run(experiment: str, loss: float, order: int, rung: str, campaign: str) -> RungRun:
    is_baseline = experiment.startswith(BASELINE_PREFIX)
    return RungRun(order, rung, experiment if is_baseline else f"{campaign} {experiment}", loss)


def rung_losses(runs: Iterable[RungRun]) -> Losses:
    """Return the scores of all designs at each rung that any has run at."""
    found: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in sorted(runs, key=lambda run: (run.order, run.rung)):
        found[run.rung][run.design].append(run.loss)
    return {rung: {design: fmean(losses) for design, losses in of.items()} for rung, of in found.items()}


def agreements(losses: Losses) -> Iterator[RungAgreement]:
    """Yield how each rung agrees with the next one."""
    for (lower, cheap), (upper, costly) in pairwise(losses.items()):
        designs = [design for design in cheap if design in costly]
        below, above = (np.array([-of[design] for design in designs]) for of in (cheap, costly))
        yield RungAgreement(lower, upper, rung_correlation(below, above), best_quarter(below, above))
