"""The novelty of experiments, for the answers that contain it.

Only the novelty of a trained experiment counts. Nobody judges it earlier, so a query about an untrained experiment need
not wait for the sentence model.
"""

from collections.abc import Iterable

from memory.projections import ProposalRow
from memory.queries.handler import Knowledge
from memory.state.as_of import as_of
from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import ExperimentState


def novelty(knowledge: Knowledge, campaign: CampaignState, experiment: ExperimentState, position: int) -> float | None:
    """Return 1 − the highest cosine similarity to an earlier motivation; None if unknown or not trained yet."""
    proposal = _trained_proposal(experiment, position)
    if proposal is None or knowledge.motivations is None:
        return None
    return knowledge.motivations.novelty(campaign, proposal)


def motivation_count(campaign: CampaignState, ids: Iterable[str], position: int) -> int:
    """Return how many of the campaign's first motivations must be embedded for the novelty of some experiments."""
    existing = (campaign.experiments[name] for name in ids if name in campaign.experiments)
    proposals = (_trained_proposal(experiment, position) for experiment in existing)
    return max((campaign.proposal_index(proposal) + 1 for proposal in proposals if proposal), default=0)


def _trained_proposal(experiment: ExperimentState, position: int) -> ProposalRow | None:
    return experiment.proposal if as_of(experiment.completion, position) else None
