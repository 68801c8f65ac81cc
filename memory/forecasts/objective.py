"""What forecasts predict: one number for each analysed experiment, larger is better.

This is the only place that says what it is.
"""

from collections.abc import Sequence
from statistics import median

from memory.projections import AnalysisRow
from memory.state.campaign_state import CampaignState

FLOOR = 2.0
"""How far below the median the floor lies, in distances of the best from the median."""


def objective_of(campaign: CampaignState, row: AnalysisRow) -> float:
    """Return an analysed experiment's objective, in standard deviations of seed noise.

    In a campaign without one it is the text loss below the best baseline's, in nats per byte; without a baseline the
    negated loss, and without a loss the fitness. Only what was true at the analysis counts: it never changes.
    """
    experiment = campaign.experiments[row.experiment]
    if experiment.objective is not None:
        return experiment.objective.objective
    metrics = experiment.metrics(row.seq)
    if metrics is None:
        return row.fitness
    baselines = (baseline.metrics(row.seq) for baseline in campaign.trained_baselines(row.seq))
    return min((each.val_loss for each in baselines if each), default=0.0) - metrics.val_loss


def with_floor(objectives: Sequence[float]) -> list[float]:
    """Return objectives, those of very bad designs raised to a floor.

    It is twice as far below the median as the best is above. How bad they are says little about the
    best ones, and would hide the small differences of these from a model.
    """
    middle = median(objectives)
    floor = middle - FLOOR * (max(objectives) - middle)
    return [max(floor, objective) for objective in objectives]
