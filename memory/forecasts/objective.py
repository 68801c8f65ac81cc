"""What forecasts predict: one number for each analysed experiment, larger is better.

This is the only place that says what it is.
"""

from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import ExperimentState


def objective_of(campaign: CampaignState, experiment: ExperimentState) -> float | None:
    """Return by how much an analysed experiment's text loss is below the best baseline's, in nats per byte.

    Without a baseline it is the negated loss, and without a loss the fitness. None before the analysis. Only what was
    true at the analysis counts, so the number never changes.
    """
    if experiment.analysis is None:
        return None
    position = experiment.analysis.seq
    metrics = experiment.metrics(position)
    if metrics is None:
        return experiment.analysis.fitness
    baselines = (baseline.metrics(position) for baseline in campaign.trained_baselines(position))
    return min((each.val_loss for each in baselines if each), default=0.0) - metrics.val_loss
