"""AskInsights: the newest insights of a campaign as of a position."""

from bus.vocabulary.events import InsightsReady
from bus.vocabulary.queries import AskInsights, CampaignInsights
from memory.queries.handler import QueryHandler
from memory.state.as_of import rows_as_of


class InsightsHandler(QueryHandler[AskInsights]):
    """Answers with the newest InsightsReady."""

    query_type = AskInsights

    def answer(self) -> CampaignInsights:
        """Return the newest insights, or none before the first."""
        for row in rows_as_of(self.campaign.insights, self.position, newest=1):
            fields = {name: getattr(row, name) for name in InsightsReady.model_fields}
            return CampaignInsights(newest=InsightsReady.model_validate(fields))
        return CampaignInsights()
