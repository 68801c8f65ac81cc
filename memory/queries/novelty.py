"""The novelty of experiments, for the answers that contain it.

Ideas with a design are compared by structure, unless the campaign says otherwise; all others by the meaning of their
motivations. Only the novelty of a trained experiment counts. Nobody judges it earlier, so a query about an untrained
experiment need not wait for the sentence model.
"""

from collections.abc import Iterable

from memory.projections import ProposalRow
from memory.queries.handler import Knowledge
from memory.state.as_of import as_of
from memory.state.campaign_state import CampaignState
from memory.state.experiment_state import ExperimentState


def novelty(knowledge: Knowledge, campaign: CampaignState, experiment: ExperimentState, position: int) -> float | None:
    """Return how far an idea lies from the nearest earlier one, in [0, 1]; None if unknown or not trained yet."""
    proposal = _trained_proposal(experiment, position)
    if proposal is None:
        return None
    if _by_structure(campaign, proposal):
        return knowledge.designs.novelty(campaign, proposal)
    return knowledge.motivations.novelty(campaign, proposal) if knowledge.motivations else None


def motivation_count(campaign: CampaignState, ids: Iterable[str], position: int) -> int:
    """Return how many of the campaign's first motivations must be embedded for the novelty of some experiments."""
    existing = (campaign.experiments[name] for name in ids if name in campaign.experiments)
    proposals = (_trained_proposal(experiment, position) for experiment in existing)
    compared = (proposal for proposal in proposals if proposal and not _by_structure(campaign, proposal))
    return max((campaign.proposal_index(proposal) + 1 for proposal in compared), default=0)


def _by_structure(campaign: CampaignState, proposal: ProposalRow) -> bool:
    started = campaign.started
    return proposal.design is not None and started is not None and started.novelty == "structure"


def _trained_proposal(experiment: ExperimentState, position: int) -> ProposalRow | None:
    return experiment.proposal if as_of(experiment.completion, position) else None
