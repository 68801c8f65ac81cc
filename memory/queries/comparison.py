"""AskPeers and AskSetup: an experiment with its peers after its trial, and with its baselines before."""

import json
from collections.abc import Sequence

from bus.vocabulary.queries import AskPeers, AskSetup, Experiment, ExperimentSetup, Peers
from memory.queries.handler import QueryHandler
from memory.queries.novelty import motivation_count, novelty
from memory.state.as_of import as_of, rows_as_of
from memory.state.campaign_state import CampaignState, opened_seq_of
from memory.state.experiment_state import ExperimentState
from memory.views.experiments import detail_view, figures_view, summary_view

MAX_SIBLINGS = 20
"""The most siblings in an answer: the newest analysed ones."""

MAX_SIBLINGS_NAMED = 3
"""The most of them whose words a model may read."""


class PeersHandler(QueryHandler[AskPeers]):
    """Answers with an experiment, its parent, its siblings and the baselines."""

    query_type = AskPeers

    def motivation_count(self) -> int:
        """Return the number of motivations that the experiment's novelty needs."""
        return motivation_count(self.campaign, (self.query.experiment,), self.position)

    def answer(self) -> Peers:
        """Return the experiment and its peers. Raises ValueError if there is no such experiment."""
        campaign, position = self.campaign, self.position
        this = _find_experiment(campaign, self.query.experiment, position)
        parent = _parent(campaign, this, position)
        this_novelty = novelty(self.knowledge, campaign, this, position)
        siblings = [one for one in _siblings(campaign, this, parent, position) if one.metrics(position)]
        metrics = (sibling.metrics(position) for sibling in siblings)
        has_model = self.reader_has_model(self.query.reader)
        return Peers.model_construct(
            this=detail_view(
                self.knowledge.store,
                this,
                position,
                source=has_model,
                novelty=this_novelty,
            ),
            parent=figures_view(parent, position) if parent and parent.opened(position) else None,
            siblings=tuple(figures.val_loss for figures in metrics if figures),
            sibling_ids=tuple(one.id for one in siblings[-MAX_SIBLINGS_NAMED:]) if has_model else (),
            grandparent_id=_id_of(_parent(campaign, parent, position)) if has_model and parent else "",
            baselines=_trained_baselines(campaign, position),
            baselines_pending=campaign.baselines_pending(position),
            awaiting=tuple(row.experiment for row in campaign.awaiting_analysis(position)),
            started=campaign.started_as_of(position),
        )


class SetupHandler(QueryHandler[AskSetup]):
    """Answers with an experiment, the campaign's settings and the baselines."""

    query_type = AskSetup

    def answer(self) -> ExperimentSetup:
        """Return the experiment and its setup. Raises ValueError if there is no such experiment."""
        store, position = self.knowledge.store, self.position
        this = _find_experiment(self.campaign, self.query.experiment, position)
        return ExperimentSetup.model_construct(
            this=detail_view(store, this, position, source=True) if self.query.source else summary_view(this, position),
            started=self.campaign.started_as_of(position),
            baselines=_trained_baselines(self.campaign, position),
            copy_of="" if self.query.source else self._copy_of(this),
        )

    def _copy_of(self, this: ExperimentState) -> str:
        """Return the experiment of the same source or design that was proposed since the slot was opened; else nothing.

        A researcher compares an idea with those before its slot; only the log's order tells of those since.
        """
        proposal = as_of(this.proposal, self.position)
        if proposal is None or this.slot is None:
            return ""
        campaign, slot = self.campaign, this.slot.seq
        end = campaign.proposal_index(proposal)
        since = campaign.proposals[campaign.proposal_count(slot) : end]
        copies = [row.experiment for row in since if row.fingerprint == proposal.fingerprint]
        if since and proposal.design and self.knowledge.designs.novelty(campaign, proposal) == 0:
            near = self.knowledge.designs.nearest(campaign, json.loads(proposal.design), end, len(since))
            copies += [row.experiment for row, distance in near if distance == 0 and row.seq > slot]
        return next(iter(copies), "")


def _find_experiment(campaign: CampaignState, experiment_id: str, position: int) -> ExperimentState:
    """Return an opened experiment. Raises ValueError if there is none of that id."""
    experiment = campaign.experiments.get(experiment_id)
    if experiment is None or not experiment.opened(position):
        place = f" in {campaign.id}" if campaign.id else ": no campaign"
        raise ValueError(f"there is no experiment {experiment_id!r}{place} up to {position}")
    return experiment


def _trained_baselines(campaign: CampaignState, position: int) -> tuple[Experiment, ...]:
    return tuple(figures_view(baseline, position) for baseline in campaign.trained_baselines(position))


def _parent(campaign: CampaignState, experiment: ExperimentState, position: int) -> ExperimentState | None:
    origin = as_of(experiment.proposal, position) or as_of(experiment.slot, position)
    return campaign.experiments.get(origin.parent) if origin and origin.parent else None


def _id_of(experiment: ExperimentState | None) -> str:
    return experiment.id if experiment else ""


def _siblings(
    campaign: CampaignState, this: ExperimentState, parent: ExperimentState | None, position: int
) -> Sequence[ExperimentState]:
    """Return the newest other analysed children of a parent, in the order they were opened."""
    analyses = campaign.analyses_by_parent.get(parent.id, ()) if parent else ()
    newest = rows_as_of(analyses, position, newest=MAX_SIBLINGS + 1)
    siblings = (campaign.experiments[row.experiment] for row in newest if row.experiment != this.id)
    return sorted(siblings, key=opened_seq_of)[-MAX_SIBLINGS:]
