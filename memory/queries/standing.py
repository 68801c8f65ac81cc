"""AskCampaignStatus and AskCampaigns: the status of a campaign, and of all of them."""

from bus.vocabulary.queries import AskCampaigns, AskCampaignStatus, Campaigns, CampaignStatus
from memory.queries.handler import QueryHandler
from memory.views.campaign import campaign_status


class CampaignStatusHandler(QueryHandler[AskCampaignStatus]):
    """Answers with the view of the campaign."""

    query_type = AskCampaignStatus

    def answer(self) -> CampaignStatus:
        """Return the campaign's status, an empty one before its start."""
        return campaign_status(self.campaign, self.position)


class CampaignsHandler(QueryHandler[AskCampaigns]):
    """Answers with the view of every campaign."""

    query_type = AskCampaigns

    def answer(self) -> Campaigns:
        """Return the status of every campaign that has started."""
        model = self.knowledge.store.read_model
        started = [row.campaign for row in model.starts if row.seq <= self.position]
        return Campaigns(rows=tuple(campaign_status(model.campaigns[name], self.position) for name in started))
