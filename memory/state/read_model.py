"""The rows in memory: every campaign's course, the ids already applied, and the position reached.

The ledger is what answers are made from. It is folded from rows alone, the same way while the log is followed and when
a file is opened, so it can't know anything that the file does not.
"""

from memory.projections import Opening, Said
from memory.rows import Row
from memory.state.campaign_state import Course
from memory.state.reducers import learn


class Ledger:
    """What has been read of the log."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.position = 0
        self.seen: set[str] = set()
        """Ids of the events applied."""
        self.courses: dict[str, Course] = {}
        self.openings: list[Opening] = []
        """Campaigns in the order they were started."""

    def take(self, row: Row) -> None:
        """Learn a row; rows come in the order of the log."""
        if isinstance(row, Said):
            self.seen.add(row.id)
            return
        if isinstance(row, Opening):
            self.openings.append(row)
        learn(self.course(row.campaign), row)

    def course(self, campaign: str) -> Course:
        """Return a campaign's course, begun here where it is new."""
        if campaign not in self.courses:
            self.courses[campaign] = Course(campaign)
        return self.courses[campaign]

    def asked(self, campaign: str, at: int) -> Course | None:
        """Return the course a question is about: the one named, else the newest one begun by then."""
        if not campaign:
            campaign = next((row.campaign for row in reversed(self.openings) if row.seq <= at), "")
        return self.courses.get(campaign)
