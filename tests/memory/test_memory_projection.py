"""What is kept of an event: rows that depend on the event alone."""

from dataclasses import replace

import pytest

from bus.vocabulary.events import EVENT_TYPES, LossPoint, RunRequested, Spoken
from bus.wire.envelope import Envelope
from memory.projections import TABLES, rows
from memory.rows import PROJECTIONS, columns


def test_every_event_of_the_log_is_projected() -> None:
    """No kind of fact is forgotten; loss points and unread words never stand in the log."""
    assert set(PROJECTIONS) == set(EVENT_TYPES) - {LossPoint.__name__, Spoken.__name__}


def test_projecting_twice_gives_equal_rows(log: list[Envelope]) -> None:
    """A projection reads nothing but its event."""
    assert [rows(said) for said in log] == [rows(said) for said in log]


def test_every_row_carries_the_position_of_its_event(log: list[Envelope]) -> None:
    """What became true has the position at which it did."""
    assert all(row.seq == said.seq for said in log for row in rows(said))


def test_tables_have_names_of_their_own() -> None:
    """No two kinds of rows share a table."""
    assert len({kind.table for kind in TABLES}) == len(TABLES)


def test_every_column_has_an_sql_type() -> None:
    """Each field of each row can be stored."""
    assert all(columns(kind) for kind in TABLES)


def test_a_number_beyond_64_bits_is_refused_in_one_line(log: list[Envelope]) -> None:
    """A value that no column holds is the event's fault, not the store's."""
    said = next(said for said in log if isinstance(said.event, RunRequested))
    huge = replace(said, event=said.event.model_copy(update={"seed": 2**63}))
    with pytest.raises(ValueError, match=r"^RunRequested holds a whole number beyond 64 bits$"):
        rows(huge)
