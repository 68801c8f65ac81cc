"""What language models took, as the dashboard shows it: memory's sums, with failures in words. No I/O."""

from typing import Any

from bus.vocabulary.queries import AskSpending, Query, Spending, SpendingRow
from lab.client.model_tally import OUTCOME_WORDS


def question(campaign: str, at: int) -> Query:
    """Return what to ask memory."""
    return AskSpending(campaign=campaign, at=at, by=("agent", "model"))


def costs(reply: Spending) -> dict[str, Any]:
    """Return a row for each agent and model that was asked, and the campaign's limits."""
    limits = reply.limits.model_dump(exclude_none=True) if reply.limits else {}
    return {"rows": [_row(row) for row in reply.rows], "limits": limits}


def _row(row: SpendingRow) -> dict[str, Any]:
    """Return a row; its cost is None if no question had a price."""
    failures = {OUTCOME_WORDS.get(name, name): number for name, number in row.outcomes.items() if name != "answered"}
    return {
        "agent": row.agent,
        "model": row.model,
        "asked": row.asked,
        "answered": row.answered,
        "tokens": row.tokens_in + row.tokens_out,
        "cost": None if row.unpriced and not row.cost else row.cost,
        "unpriced": row.unpriced,
        "failures": failures,
        "why": row.why,
        "circuit_open": row.circuit_open,
    }
