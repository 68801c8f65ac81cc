"""AskSpending: what the language models of a campaign have taken."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from bus.vocabulary.queries import AskSpending, Spending, SpendingRow
from memory.projections import ModelAnswerRow
from memory.queries.handler import QueryHandler

_SUMS = (
    "requests", "tool_calls", "tokens_in", "tokens_out", "tokens_cached", "tokens_reasoning",
)  # fmt: skip
seq_of = attrgetter("seq")


class SpendingHandler(QueryHandler[AskSpending]):
    """Answers from the accounts of the campaign's questions to models."""

    query_type = AskSpending

    def answer(self) -> Spending:
        """Return the sums, in order of the first question of each."""
        answers = self.campaign.model_answers
        groups: dict[tuple[str, ...], list[ModelAnswerRow]] = {}
        for row in answers[: bisect_right(answers, self.position, key=seq_of)]:
            groups.setdefault(tuple(getattr(row, key) for key in self.query.by), []).append(row)
        started = self.campaign.started_as_of(self.position)
        return Spending(
            rows=tuple(_sum(self.query.by, values, rows) for values, rows in groups.items()),
            limits=started.model_limits if started else None,
        )


def _sum(keys: Iterable[str], values: Iterable[str], rows: Sequence[ModelAnswerRow]) -> SpendingRow:
    """Return the row of some accounts that share the values of the keys."""
    failed = [row.why for row in rows if row.outcome != "answered"]
    fields = {
        **dict(zip(keys, values, strict=True)),
        **{name: sum(getattr(row, name) for row in rows) for name in _SUMS},
        "asked": len(rows),
        "answered": sum(row.outcome == "answered" for row in rows),
        "seconds": round(sum(row.seconds for row in rows), 3),
        "cost": round(sum(row.cost or 0.0 for row in rows), 9),
        "unpriced": sum(row.cost is None and row.tokens_in + row.tokens_out > 0 for row in rows),
        "outcomes": dict(Counter(row.outcome for row in rows)),
        "why": failed[-1] if failed else "",
        "circuit_open": rows[-1].outcome == "circuit_open",
    }
    return SpendingRow.model_validate(fields)
