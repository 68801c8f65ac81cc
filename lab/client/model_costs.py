"""What language models took, as the dashboard shows it: memory's sums, with failures in words. No I/O."""

from collections.abc import Sequence
from typing import Any, cast

from bus.vocabulary.events import Record
from bus.vocabulary.queries import AskSpending, Query, Spending, SpendingRow
from lab.client.model_tally import OUTCOME_WORDS

DEAREST = 5
"""Experiments that are named, those that cost most first."""


def questions(campaign: str, at: int) -> list[Query]:
    """Return what to ask memory: the sums by agent and model, and those by experiment."""
    return [
        AskSpending(campaign=campaign, at=at, by=("agent", "model")),
        AskSpending(campaign=campaign, at=at, by=("experiment",)),
    ]


def costs(replies: Sequence[Record]) -> dict[str, Any]:
    """Return a row for each agent and model that was asked, the dearest experiments, and the campaign's limits."""
    reply, by_experiment = cast("Sequence[Spending]", replies)
    limits = reply.limits.model_dump(exclude_none=True) if reply.limits else {}
    dearest = sorted(by_experiment.rows, key=lambda row: (-row.cost, -_tokens(row)))[:DEAREST]
    experiments = [{"id": row.experiment, "tokens": _tokens(row), "cost": _cost(row)} for row in dearest]
    return {"rows": [_row(row) for row in reply.rows], "experiments": experiments, "limits": limits}


def _tokens(row: SpendingRow) -> int:
    return row.tokens_in + row.tokens_out


def _cost(row: SpendingRow) -> float | None:
    """Return a row's cost; None if no question had a price."""
    return None if row.unpriced and not row.cost else row.cost


def _row(row: SpendingRow) -> dict[str, Any]:
    """Return a row."""
    failures = {OUTCOME_WORDS.get(name, name): number for name, number in row.outcomes.items() if name != "answered"}
    return {
        "agent": row.agent,
        "model": row.model,
        "asked": row.asked,
        "answered": row.answered,
        "tokens": _tokens(row),
        "cost": _cost(row),
        "unpriced": row.unpriced,
        "failures": failures,
        "why": row.why,
        "circuit_open": row.circuit_open,
    }
