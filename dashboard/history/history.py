"""The history of one campaign in this process: entries of the log, and the rows of its experiments as of any event."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus.vocabulary.events import HumanMessage
from bus.wire.envelope import Envelope
from bus.wire.ids import CAMPAIGN
from dashboard.history.changes import ENDED, Row, changes, is_experiment
from dashboard.history.influence import Influence
from dashboard.history.log_filter import LogFilter
from dashboard.history.log_index import LogIndex

Describe = Callable[[Envelope], str]
"""Returns an event in one line."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event of the log as the page lists it."""

    seq: int
    id: str
    time: float
    """Unix time in seconds."""
    type: str
    experiment: str
    """The experiment that it is about, or `campaign`."""
    role: str
    cause: str | None
    """Id of the event that led to it."""
    text: str
    """The event in one line."""
    changes: Row
    """What it changes in a row."""
    target: str
    """The row that it changes."""
    because: tuple[str, ...] = ()
    """Ids of people's messages that it answers to."""

    def listed(self) -> Row:
        """Return the entry as the page's list shows it."""
        names = ("seq", "id", "time", "type", "experiment", "role", "cause", "text")
        return {name: getattr(self, name) for name in names}

    def step(self) -> Row:
        """Return the entry with its changes, for a reader that folds them itself."""
        return self.listed() | {"target": self.target, "changes": self.changes, "because": self.because}


class CampaignHistory:
    """Everything that the page shows of a campaign's log, without sources and curves."""

    def __init__(self, campaign: str, describe: Describe) -> None:
        """Start with an empty log; `describe` puts an event into words."""
        self.campaign = campaign
        self.entries: list[LogEntry] = []
        self.rows: dict[str, Row] = {}
        """Rows as of the newest event, by experiment; `campaign` is the campaign's own."""
        self.counts: Counter[str] = Counter()
        """Events by type."""
        self.end_times: list[float] = []
        self._describe = describe
        self._seqs: list[int] = []
        self._by_id: dict[str, int] = {}
        self._log_index, self._influence = LogIndex(), Influence()
        self._effects: defaultdict[str, list[int]] = defaultdict(list)
        self._changes: defaultdict[str, list[int]] = defaultdict(list)
        """Places of the entries that change a row, by its id, in the order of the first one."""
        self._opened: list[int] = []
        """Places of the entries that first change a row."""

    @property
    def last(self) -> int:
        """Position of the newest event, 0 if there is none."""
        return self._seqs[-1] if self._seqs else 0

    def append(self, envelope: Envelope) -> LogEntry:
        """Add the next event of the log, and return its entry."""
        target = envelope.event.target if isinstance(envelope.event, HumanMessage) else None
        row = self.rows.get(target or envelope.experiment, {})
        name, figures = changes(envelope, row)
        entry = LogEntry(
            envelope.seq, envelope.id, envelope.time.timestamp(), envelope.type, envelope.experiment, envelope.role,
            envelope.cause, self._describe(envelope), figures, name, self._influence.of(envelope),
        )  # fmt: skip
        self._index(entry)
        if figures:
            self.rows.setdefault(name, {}).update(figures)
        if figures.get("status") in ENDED - {"imported"}:
            self.end_times.append(entry.time)
        return entry

    def _index(self, entry: LogEntry) -> None:
        position = len(self.entries)
        self.entries.append(entry)
        self._seqs.append(entry.seq)
        self._log_index.add(entry)
        self._by_id[entry.id] = position
        self.counts[entry.type] += 1
        if entry.changes:
            if entry.target not in self._changes:
                self._opened.append(position)
            self._changes[entry.target].append(position)
        for cause in {entry.cause, *entry.because} - {None}:
            self._effects[cause].append(position)

    def up_to(self, at: int) -> Sequence[LogEntry]:
        """Return the entries up to a position; 0 stands for the newest."""
        return self.entries[: bisect_right(self._seqs, at)] if at else self.entries

    def rows_at(self, at: int = 0) -> dict[str, Row]:
        """Return the rows as of a position; 0 stands for the newest."""
        return self.rows if not at or at >= self.last else fold(self.up_to(at))

    def rows_between(self, shown: int, at: int) -> tuple[list[Row], list[str]]:
        """Return what turns the rows as of `shown` into those as of `at`: rows that differ, and ids of rows to remove.

        Either may be the later one. So a scrubber need not be sent ten thousand rows for each of its steps.
        """
        first, last = (bisect_right(self._seqs, position) for position in sorted((shown, at)))
        old, new = (bisect_left(self._opened, place) for place in (first, last))
        names = [*self._changes]
        changed = [name for name in names[:old] if self._is_changed(name, first, last)]
        if at < shown:
            return [self._row_at(name, at) for name in changed], names[old:new]
        return [self._row_at(name, at) for name in (*changed, *names[old:new])], []

    def _is_changed(self, name: str, first: int, last: int) -> bool:
        """Return whether an entry from one place up to another changes a row."""
        places = self._changes[name]
        return places[-1] >= first and places[bisect_left(places, first)] < last

    def _row_at(self, name: str, at: int) -> Row:
        """Return one row as of a position, empty if it is not there yet."""
        if at >= self.last:
            return self.rows.get(name, {})
        row: Row = {}
        for place in self._changes[name]:
            if self._seqs[place] > at:
                break
            row.update(self.entries[place].changes)
        return row

    def find(self, event_id: str) -> LogEntry | None:
        """Return the entry of an event, None if the log has no such event."""
        position = self._by_id.get(event_id)
        return None if position is None else self.entries[position]

    def effects(self, event_id: str) -> list[LogEntry]:
        """Return the entries of the events to which an event led directly, or that answer to it if a person spoke."""
        return [self.entries[position] for position in self._effects.get(event_id, ())]

    def page(self, text: str, *, at: int = 0, before: int = 0, limit: int = 100) -> tuple[list[LogEntry], int]:
        """Return the newest matching entries before a position, newest first, and how many match up to `at`.

        Raises ValueError for an invalid filter.
        """
        wanted = LogFilter.parse(text)
        entries = self.up_to(at)
        if wanted.is_open:
            end = bisect_right(self._seqs, before - 1, hi=len(entries)) if before else len(entries)
            return list(entries[max(0, end - limit) : end][::-1]), len(entries)
        places = self._log_index.search(wanted, entries)
        end = bisect_right(places, before - 1, key=self._seqs.__getitem__) if before else len(places)
        return [entries[place] for place in places[max(0, end - limit) : end]][::-1], len(places)

    def markers(self, count: int = 600) -> Iterator[tuple[int, float, str]]:
        """Yield position, time and type of at most about `count` events, evenly spread, for the scrubber."""
        step = max(1, len(self.entries) // count)
        for entry in self.entries[::step]:
            yield entry.seq, entry.time, entry.type


def fold(entries: Iterable[LogEntry]) -> dict[str, Row]:
    """Return the rows after these entries."""
    rows: dict[str, Row] = {}
    for entry in entries:
        if entry.changes:
            rows.setdefault(entry.target, {}).update(entry.changes)
    return rows


def summary(rows: dict[str, Row]) -> dict[str, Any]:
    """Return the figures that head every view: how many experiments there are and have ended, and the best ones."""
    experiments = [row for row in rows.values() if is_experiment(row)]
    campaign = rows.get(CAMPAIGN, {})
    statuses = Counter(row.get("status", "") for row in experiments)
    extra = sum(row["id"].startswith("h-") for row in experiments)
    return {
        "campaign": campaign,
        "statuses": dict(statuses),
        "ended": sum(statuses[status] for status in ENDED - {"imported"}),
        "total": campaign.get("budget", 0) + len(campaign.get("baselines", ())) + extra,
    }
