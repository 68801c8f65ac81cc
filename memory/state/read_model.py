"""The rows in memory: every campaign's course, the ids already applied, and the position reached.

The ledger is what answers are made from. It is folded from rows alone, the same way while the log is followed and when
a file is opened, so it can't know anything that the file does not.
"""

from memory.projections import CampaignRow, EventRow
from memory.rows import Row
from memory.state.campaign_state import CampaignState
from memory.state.reducers import apply_row


class ReadModel:
    """What has been read of the log."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.position = 0
        self.seen: set[str] = set()
        """Ids of the events applied."""
        self.campaigns: dict[str, CampaignState] = {}
        self.openings: list[CampaignRow] = []
        """Campaigns in the order they were started."""

    def apply(self, row: Row) -> None:
        """Learn a row; rows come in the order of the log."""
        if isinstance(row, EventRow):
            self.seen.add(row.id)
            return
        if isinstance(row, CampaignRow):
            self.openings.append(row)
        apply_row(self.campaign(row.campaign), row)

    def campaign(self, campaign: str) -> CampaignState:
        """Return a campaign's course, begun here where it is new."""
        if campaign not in self.campaigns:
            self.campaigns[campaign] = CampaignState(campaign)
        return self.campaigns[campaign]

    def find_campaign(self, campaign: str, at: int) -> CampaignState | None:
        """Return the course a question is about: the one named, else the newest one begun by then."""
        if not campaign:
            campaign = next((row.campaign for row in reversed(self.openings) if row.seq <= at), "")
        return self.campaigns.get(campaign)
