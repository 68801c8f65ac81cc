"""Projections: the rows of an event depend on the event alone."""

import json
from dataclasses import replace

import pytest

from bus.vocabulary.events import EVENT_TYPES, LossPoint, Metrics, RunCompleted, RunRequested, Spoken
from bus.wire.envelope import Envelope
from memory.projections import TABLES, CompletionRow, CurveRow, rows
from memory.rows import PROJECTIONS, columns


def test_every_event_of_the_log_has_a_projection() -> None:
    """Except loss points and unread messages of people, which are never in the log."""
    assert set(PROJECTIONS) == set(EVENT_TYPES) - {LossPoint.__name__, Spoken.__name__}


def test_projecting_twice_gives_equal_rows(log: list[Envelope]) -> None:
    """They depend on nothing else."""
    assert [rows(envelope) for envelope in log] == [rows(envelope) for envelope in log]


def test_every_row_carries_the_position_of_its_event(log: list[Envelope]) -> None:
    """It says since when the row is true."""
    assert all(row.seq == envelope.seq for envelope in log for row in rows(envelope))


def test_tables_have_distinct_names() -> None:
    """No two kinds of rows share a table."""
    assert len({kind.table for kind in TABLES}) == len(TABLES)


def test_every_column_has_an_sql_type() -> None:
    """Each field of each row can be stored."""
    assert all(columns(kind) for kind in TABLES)


def test_curves_have_a_row_of_their_own(log: list[Envelope]) -> None:
    """Long texts stay in the file, while the read model keeps the metrics."""
    envelope = next(envelope for envelope in log if isinstance(envelope.event, RunCompleted))
    (completion,) = (row for row in rows(envelope) if isinstance(row, CompletionRow))
    (curve,) = (row for row in rows(envelope) if isinstance(row, CurveRow))
    assert isinstance(envelope.event, RunCompleted)
    whole = envelope.event.metrics
    assert Metrics.model_validate_json(completion.metrics) == whole.model_copy(update={"curve": ()})
    assert json.loads(curve.points) == [point.model_dump() for point in whole.curve] != []


def test_a_number_beyond_64_bits_is_refused_in_one_line(log: list[Envelope]) -> None:
    """No column can store it."""
    envelope = next(envelope for envelope in log if isinstance(envelope.event, RunRequested))
    huge = replace(envelope, event=envelope.event.model_copy(update={"seed": 2**63}))
    with pytest.raises(ValueError, match=r"^RunRequested holds a whole number beyond 64 bits$"):
        rows(huge)
