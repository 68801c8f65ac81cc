"""An index of log entries, so that a search in two hundred thousand takes a few milliseconds."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Protocol

from dashboard.history.log_filter import Condition, FilteredEntry, LogFilter

INDEXED = ("type", "experiment", "role")
"""Keys of conditions that are answered from lists of places."""


class _IndexedEntry(FilteredEntry, Protocol):
    @property
    def type(self) -> str: ...


class LogIndex:
    """Places of entries by what they hold; a place is the number of the entry in the log of the campaign."""

    def __init__(self) -> None:
        """Start empty."""
        self._places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._texts: list[str] = []

    def add(self, entry: _IndexedEntry) -> None:
        """Add the next entry."""
        place = len(self._texts)
        self._texts.append(entry.text.lower())
        for key in INDEXED:
            self._places[key, str(getattr(entry, key)).lower()].append(place)

    def search(self, wanted: LogFilter, entries: Sequence[FilteredEntry]) -> Sequence[int]:
        """Return the places of the entries that match, in their order; `entries` are the first ones of the log."""
        rest = list(wanted.conditions)
        places = self._cheapest(rest, len(entries))
        for condition in [each for each in rest if not each.key]:
            word, texts = condition.values[0], self._texts
            places = [place for place in places if (word in texts[place]) != condition.negated]
            rest.remove(condition)
        return (
            [place for place in places if all(condition.holds(entries[place]) for condition in rest)]
            if rest
            else places
        )

    def _cheapest(self, conditions: list[Condition], end: int) -> Sequence[int]:
        """Return the places for one condition, which is taken out: the one that leaves the fewest. All without one."""
        found = {
            condition: sum(len(self._places.get((condition.key, value), ())) for value in set(condition.values))
            for condition in conditions
            if condition.key in INDEXED and not condition.negated
        }
        if not found:
            return range(end)
        chosen = min(found, key=found.__getitem__)
        conditions.remove(chosen)
        lists = [self._places.get((chosen.key, value), []) for value in set(chosen.values)]
        known = [places[: bisect_left(places, end)] for places in lists]
        return known[0] if len(known) == 1 else sorted(chain.from_iterable(known))
