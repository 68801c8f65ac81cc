"""The rolling insights of a campaign."""

from typing import ClassVar

from bus.vocabulary.events import InsightsReady, Record
from bus.vocabulary.queries.query import Query


class CampaignInsights(Record):
    """The newest insights."""

    newest: InsightsReady | None = None
    """None before the first."""


class AskInsights(Query):
    """What has the campaign taught so far?"""

    name: ClassVar[str] = "insights"
    Reply: ClassVar[type[Record]] = CampaignInsights
