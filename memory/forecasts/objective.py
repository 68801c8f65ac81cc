"""What forecasts predict: one number for each analysed experiment, larger is better.

This is the only place that says what it is.
"""

from memory.projections import AnalysisRow
from memory.state.campaign_state import CampaignState


def objective_of(campaign: CampaignState, row: AnalysisRow) -> float:
    """Return by how much an analysed experiment's text loss is below the best baseline's, in nats per byte.

    Without a baseline it is the negated loss, and without a loss the fitness. Only what was true at the analysis
    counts, so the number never changes.
    """
    metrics = campaign.experiments[row.experiment].metrics(row.seq)
    if metrics is None:
        return row.fitness
    baselines = (baseline.metrics(row.seq) for baseline in campaign.trained_baselines(row.seq))
    return min((each.val_loss for each in baselines if each), default=0.0) - metrics.val_loss
