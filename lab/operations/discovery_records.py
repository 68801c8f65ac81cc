"""What memory answers at positions of a log, without a lab: of discoveries, and of what language models took."""

import tempfile
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

from bus.vocabulary.events import AnalysisReady, ModelAnswered
from bus.wire.envelope import Envelope
from dashboard.history.discovery import Discovery
from lab.client import model_costs
from lab.client.discovery import questions, record
from lab.client.ladder import LADDER_EVENTS
from lab.client.outcomes import outcomes

MAX_RECORDS = 40
"""Positions for which an exported page holds a record."""


def telling_positions(events: Sequence[Envelope]) -> list[int]:
    """Return positions at which more became known, evenly spread, among them the newest one."""
    places = [one.seq for one in events if isinstance(one.event, (*LADDER_EVENTS, AnalysisReady, ModelAnswered))]
    step = ceil(len(places) / MAX_RECORDS) or 1
    return sorted({*places[::-1][::step], *(one.seq for one in events[-1:])})


def records(log: Sequence[Envelope], campaign: str, positions: Iterable[int]) -> list[Discovery]:
    """Return a campaign's record of each position."""
    from memory.queries import Knowledge, answer
    from memory.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "memory.duckdb") as store:
        store.apply(log)
        knowledge, found = Knowledge(store), outcomes(one for one in log if one.campaign == campaign)
        return [
            record(at, [answer(knowledge, query) for query in questions(campaign, at)], found)
            | {"spending": model_costs.costs([answer(knowledge, ask) for ask in model_costs.questions(campaign, at)])}
            for at in positions
        ]
