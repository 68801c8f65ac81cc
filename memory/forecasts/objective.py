"""What forecasts predict: one number for each analysed experiment, larger is better.

This is the only place that says what it is.
"""

from memory.projections import AnalysisRow
from memory.state.campaign_state import CampaignState


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
