"""The positions of a log whose records an exported page holds."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from bus.vocabulary.events import AnalysisReady
from bus.wire.envelope import Envelope
from lab.operations.discovery_records import MAX_RECORDS, telling_positions
from tests.support.recorded_lab import golden
from tests.support.synthetic_log import synthetic_log


def analyses(log: Sequence[Envelope]) -> list[int]:
    """Return the positions at which an analysis made more known."""
    return [one.seq for one in log if isinstance(one.event, AnalysisReady)]


def test_a_short_log_has_a_record_of_each_event_that_tells_more() -> None:
    """And of its end, which a page shows first."""
    log = golden("normal")
    assert len(analyses(log)) == 12
    assert telling_positions(log) == sorted({*analyses(log), log[-1].seq})


@pytest.mark.parametrize("experiments", [60, 400])
def test_records_of_a_long_log_are_few_and_evenly_spread(experiments: int) -> None:
    """No two have many more tellings between them than others, and the newest telling is among them."""
    log = list(synthetic_log(experiments))
    places, positions = analyses(log), telling_positions(log)
    chosen = [places.index(position) for position in positions if position in places]
    assert len(places) > MAX_RECORDS
    assert MAX_RECORDS / 2 < len(chosen) <= MAX_RECORDS
    assert len({after - before for before, after in pairwise(chosen)}) == 1
    assert chosen[-1] == len(places) - 1
    assert positions[-1] == log[-1].seq


def test_a_log_without_events_has_no_record() -> None:
    assert telling_positions([]) == []
