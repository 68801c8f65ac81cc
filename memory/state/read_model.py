"""The read model: the state of every campaign, the identities of the events applied, and the position reached.

Answers are made from it. Rows alone change it, in the same way while memory follows the log and when it opens a file,
so it knows nothing that the file does not.
"""

from memory.projections import CampaignRow, EventRow
from memory.rows import Row
from memory.state.campaign_state import CampaignState
from memory.state.reducers import apply_row


class ReadModel:
    """What memory has read of the log."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.position = 0
        self.applied: set[str] = set()
        """Identities of the events applied (`EventRow.identity`)."""
        self.campaigns: dict[str, CampaignState] = {}
        self.starts: list[CampaignRow] = []
        """Campaigns in the order they were started."""

    def apply(self, row: Row) -> None:
        """Apply a row; rows come in the order of the log."""
        if isinstance(row, EventRow):
            self.applied.add(row.identity)
            return
        if isinstance(row, CampaignRow):
            self.starts.append(row)
        apply_row(self.campaign(row.campaign), row)

    def campaign(self, campaign_id: str) -> CampaignState:
        """Return a campaign's state; a new one begins here."""
        if campaign_id not in self.campaigns:
            self.campaigns[campaign_id] = CampaignState(campaign_id)
        return self.campaigns[campaign_id]

    def find_campaign(self, campaign_id: str, position: int) -> CampaignState | None:
        """Return a campaign by its id, or the newest one as of a position if the id is empty; None if there is none."""
        if not campaign_id:
            campaign_id = next((row.campaign for row in reversed(self.starts) if row.seq <= position), "")
        return self.campaigns.get(campaign_id)
