"""What an experiment is weakest in: the measure that lies furthest behind the best baseline, in units of seed noise.

A difference of one unit is what another seed of the same design makes. So a text loss, an accuracy and a cost can be
compared, and the weakness named varies with what was measured. Cost counts only if the forward pass takes more than
`COST_MARGIN` above the baselines' mean; a run reports no state size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from agents.analysis.fitness import benchmarks
from agents.analysis.seed_noise import accuracy_spread, text_spread
from bus.vocabulary.queries import Experiment

COST_MARGIN = 0.25
"""Share of the baselines' mean FLOPs per token above which a design counts as dearer: one unit."""
COST = "cost"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far an experiment lies behind on one measure."""

    kind: str
    """Kind of the task, such as `text` or `mqar`; `cost` for the FLOPs per token."""
    own: float
    """The experiment's value: nats per byte, accuracy, or a multiple of the baselines' mean FLOPs."""
    best: float
    """The best baseline's value."""
    baseline: str
    """That baseline's id."""
    noises: float
    """The gap in units of seed noise; negative if the experiment is ahead."""


def weakest(this: Experiment, baselines: Sequence[Experiment]) -> Gap | None:
    """Return the widest gap to the best other baseline of each measure; of equal ones, text and then earlier tasks."""
    return max(gaps(this, baselines), key=lambda gap: gap.noises, default=None)


def gaps(this: Experiment, baselines: Sequence[Experiment]) -> list[Gap]:
    """Return a completed experiment's gaps: text, the other tasks in their order, and its cost if it is dearer."""
    others = [row for row in baselines if row.metrics is not None and row.id != this.id]
    if this.metrics is None or not others:
        return []
    return [_text_gap(this, others), *_accuracy_gaps(this, others), *_cost_gaps(this, others)]


def _text_gap(this: Experiment, others: Sequence[Experiment]) -> Gap:
    assert this.val_loss is not None
    best = min(others, key=lambda row: (row.val_loss, row.id))
    loss = best.val_loss or 0.0
    return Gap("text", this.val_loss, loss, best.id, (this.val_loss - loss) / text_spread())


def _accuracy_gaps(this: Experiment, others: Sequence[Experiment]) -> list[Gap]:
    """Return the gap of each task that is not on text and that some baseline has too."""
    assert this.metrics is not None
    found = []
    for task, own in benchmarks(this).items():
        values = [(benchmarks(row)[task], row.id) for row in others if task in benchmarks(row)]
        if values:
            best, baseline = max(values)
            kind = this.metrics.tasks[task].kind
            found.append(Gap(kind, own, best, baseline, (best - own) / accuracy_spread(kind)))
    return found


def _cost_gaps(this: Experiment, others: Sequence[Experiment]) -> list[Gap]:
    """Return the gap in FLOPs per token, if it is beyond the margin."""
    cheapest = min(others, key=lambda row: (row.cost("flops_per_token") or 0.0, row.id))
    mean = fmean(row.cost("flops_per_token") or 0.0 for row in others)
    if mean <= 0:
        return []
    ratio, lowest = (this.cost("flops_per_token") or 0.0) / mean, (cheapest.cost("flops_per_token") or 0.0) / mean
    noises = (ratio - 1) / COST_MARGIN
    return [Gap(COST, ratio, lowest, cheapest.id, noises)] if noises >= 1 else []
