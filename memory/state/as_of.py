"""Rows as of a position of the log: those that had become true by then."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from memory.rows import RowT

seq_of = attrgetter("seq")
"""Returns a row's position; the key of every bisection over rows."""


def as_of(row: RowT | None, position: int) -> RowT | None:
    """Return a row if it had become true at a position, else None."""
    return row if row is not None and row.seq <= position else None


def rows_as_of(rows: Sequence[RowT], position: int, newest: int | None = None) -> Sequence[RowT]:
    """Return the rows, given in log order, that had become true at a position; at most the `newest` last ones."""
    if not rows:
        return rows
    end = bisect_right(rows, position, key=seq_of)
    return rows[0 if newest is None else max(0, end - newest) : end]
