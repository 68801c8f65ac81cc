"""AskCampaignStatus: the status of a campaign."""

from bus.vocabulary.queries import AskCampaignStatus, CampaignStatus
from memory.queries.handler import QueryHandler
from memory.views.campaign import campaign_status


class CampaignStatusHandler(QueryHandler[AskCampaignStatus]):
    """Answers with the view of the campaign."""

    query_type = AskCampaignStatus

    def answer(self) -> CampaignStatus:
        """Return the campaign's status, an empty one before its start."""
        return campaign_status(self.campaign, self.position)
