"""Permission to spend: before each request, what the campaign's models have taken is held against its limits.

The log knows what every answer took, and memory sums it. Requests of this process that the log does not have yet are
added. Requests that other services have under way are not known, so these can exceed a limit by as much as they have in
flight; `concurrency` bounds that.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from agents.llm.metering import AnswerMeter
from agents.llm.prompts.budget import CHARACTERS_PER_TOKEN
from bus.vocabulary.events import ModelLimits, Record
from bus.vocabulary.queries import AskSpending, Query, Spending, SpendingRow

EXPECTED_TOKENS_OUT = 2_000
"""Tokens that an answer is expected to have if the settings do not limit them."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Spent:
    """An amount of each thing that a limit is about."""

    requests: int = 0
    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        """Return the sum."""
        return Spent(self.requests + other.requests, self.tokens + other.tokens, self.cost + other.cost)

    def __or__(self, other: "Spent") -> "Spent":
        """Return the larger of each amount."""
        return Spent(max(self.requests, other.requests), max(self.tokens, other.tokens), max(self.cost, other.cost))

    def exceeds(self, limits: ModelLimits) -> str:
        """Return which limit this is above, in words; empty for none."""
        for name, amount, limit in (
            ("requests", self.requests, limits.requests),
            ("tokens", self.tokens, limits.tokens),
            ("cost", self.cost, limits.cost),
        ):
            if limit is not None and amount > limit:
                return f"the next request would exceed the limit of {limit:g} ({name})"
        return ""


def spent_of(rows: Iterable[SpendingRow]) -> Spent:
    """Return the sum of some rows."""
    return sum((Spent(row.requests, row.tokens_in + row.tokens_out, row.cost) for row in rows), Spent())


def spent_by(meter: AnswerMeter) -> Spent:
    """Return what an answer has taken so far."""
    return Spent(meter.requests, meter.tokens_in + meter.tokens_out, meter.cost() or 0.0)


def next_request(meter: AnswerMeter, prompt_characters: int, max_tokens: int | None) -> Spent:
    """Return what the next request of an answer is expected to take; what the model has said so far is read again."""
    tokens_in = prompt_characters // CHARACTERS_PER_TOKEN + max(0, meter.tokens_out - meter.tokens_reasoning)
    tokens_out = max_tokens or EXPECTED_TOKENS_OUT
    cost = meter.price.cost(tokens_in, tokens_out) if meter.price else 0.0
    return Spent(1, tokens_in + tokens_out, cost)


@dataclass(slots=True)
class _Campaign:
    """What this process knows of one campaign."""

    at_start: Spent
    """What its agents had taken when this process asked first."""
    finished: Spent = Spent()
    """What answers of this process took since."""
    reserved: dict[int, Spent] = field(default_factory=dict)
    """Identity of a meter → what its answer has taken, with the request under way as expected."""


class SpendingGuard:
    """Refuses requests that would exceed what a campaign may take."""

    def __init__(self, ask: Callable[[Query], Awaitable[Record]] | None = None) -> None:
        """Ask memory with `ask`; without it, everything is permitted."""
        self._ask = ask
        self._agents: set[str] = set()
        self._campaigns: dict[str, _Campaign] = {}
        self._unlimited: set[str] = set()

    async def refusal(self, campaign: str, agent: str, meter: AnswerMeter, expected: Spent) -> str:
        """Return why an answer may make no further request that takes what is expected; empty if it may."""
        if self._ask is None or campaign in self._unlimited:
            return ""
        self._agents.add(agent)
        try:
            spending = await self._ask(AskSpending(campaign=campaign))
        except Exception as error:  # noqa: BLE001  (whatever the bus raises: what is unknown is not spent)
            return f"what the models have taken is not known ({type(error).__name__})"
        assert isinstance(spending, Spending)
        if spending.limits is None:
            self._unlimited.add(campaign)
            return ""
        return self._reserve(campaign, spending.rows, spending.limits, meter, spent_by(meter) + expected)

    def _reserve(
        self, campaign: str, rows: Iterable[SpendingRow], limits: ModelLimits, meter: AnswerMeter, wanted: Spent
    ) -> str:
        """Reserve what an answer wants to take in all; return why not if that would exceed a limit."""
        ours, others = [], []
        for row in rows:
            (ours if row.agent in self._agents else others).append(row)
        known = self._campaigns.setdefault(campaign, _Campaign(spent_of(ours)))
        own = spent_of(ours) | (known.at_start + known.finished)
        under_way = (amount for key, amount in known.reserved.items() if key != id(meter))
        why = sum(under_way, spent_of(others) + own + wanted).exceeds(limits)
        if why:
            log.warning("models stop", campaign=campaign, why=why)
        else:
            known.reserved[id(meter)] = wanted
        return why

    def finish(self, campaign: str, meter: AnswerMeter) -> None:
        """Take an answer as complete: from now on the log will know of it."""
        known = self._campaigns.get(campaign)
        if known and known.reserved.pop(id(meter), None):
            known.finished += spent_by(meter)
