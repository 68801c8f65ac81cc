"""Prices, limits and circuits: what a model may take, and when it is left alone."""

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from agents.llm.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_S, CircuitBreaker
from agents.llm.endpoint import Endpoint
from agents.llm.metering import AnswerMeter
from agents.llm.model import ModelClient, WeightedEndpoint
from agents.llm.prices import Price, price_of
from agents.llm.reply_facts import ReplyFacts
from agents.llm.spending import SpendingGuard, Spent, next_request
from bus.vocabulary.events import HumanMessage, ModelLimits, ModelOutcome, Record
from bus.vocabulary.queries import AskSpending, Query, Spending, SpendingRow
from bus.vocabulary.questions import Completion
from tests.support.decisions import envelope_of
from tests.support.imitated_endpoints import ANSWERS, JSON, PROFILES, imitate, said

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

CAUSE = envelope_of(HumanMessage(kind="ask", text="how?"))
QUESTION = Completion(instructions="You answer.", prompt="How?", schema_name="Answer")
PRICE = Price(input=2.0, output=8.0, cached=0.5)


def test_a_price_is_per_million_tokens_and_cached_ones_are_cheaper() -> None:
    """Without a price for them, they cost what others do."""
    assert PRICE.cost(1_000_000, 0) == 2.0
    assert PRICE.cost(1_000_000, 500_000, 1_000_000) == 4.5
    assert Price(input=2.0, output=8.0).cost(1_000_000, 0, 1_000_000) == 2.0


def test_a_price_may_be_for_all_models_of_a_beginning() -> None:
    """The exact name counts first, then the longest beginning; other models have none."""
    other = Price(input=1.0, output=1.0)
    prices = {"gpt-*": PRICE, "gpt-4*": other, "local": other}
    assert [price_of(prices, name) for name in ("gpt-3", "gpt-4o", "local", "qwen")] == [PRICE, other, other, None]


class MovedClock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_circuit_opens_tries_and_closes() -> None:
    """Each failed trial doubles the pause; a success closes it."""
    clock = MovedClock()
    circuit = CircuitBreaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        assert circuit.wait_s() == 0
        circuit.fail()
    assert (circuit.state, circuit.wait_s()) == ("open", FIRST_PAUSE_S)
    clock.now += FIRST_PAUSE_S
    assert (circuit.wait_s(), circuit.state) == (0, "trial")
    assert circuit.wait_s() > 0, "one trial at a time"
    circuit.fail()
    assert (circuit.state, circuit.wait_s()) == ("open", 2 * FIRST_PAUSE_S)
    clock.now += 2 * FIRST_PAUSE_S
    assert circuit.wait_s() == 0
    circuit.succeed()
    assert (circuit.state, circuit.failures) == ("closed", 0)


async def test_a_trial_may_step_down(scripted_model: "ScriptedModel") -> None:
    """The next request of the trial is part of it; an answer closes the circuit."""
    endpoint = Endpoint(scripted_model.url, "m", retries=0)
    client = ModelClient(endpoint)
    state = client.state(endpoint)
    state.circuit.opened_at = -1e9
    imitate(scripted_model, PROFILES["anthropic"][0])
    reply = await client.answer(CAUSE, QUESTION)
    await client.close()
    assert (reply.error, state.circuit.state) == ("", "closed")


class SpendingMemory:
    """Memory's answer about spending, which a test sets."""

    def __init__(self, limits: ModelLimits | None, *rows: SpendingRow) -> None:
        self.reply = Spending(rows=rows, limits=limits)
        self.asked = 0

    async def ask(self, query: Query) -> Record:
        """Return it."""
        assert isinstance(query, AskSpending)
        self.asked += 1
        await asyncio.sleep(0)
        return self.reply


async def ask_often(
    model: "ScriptedModel", guard: SpendingGuard, times: int, price: Price | None = None, form: str = "plain"
) -> list[str]:
    """Return the outcomes of questions that are asked at once."""
    imitate(model, lambda _: ANSWERS[form])
    choices = {"": (WeightedEndpoint(Endpoint(model.url, "m", max_tokens=20), price=price),)}
    client = ModelClient(choices, "researcher", guard=guard)
    found = await asyncio.gather(*(client.answer(CAUSE, QUESTION) for _ in range(times)))
    await client.close()
    return [reply.account.outcome for reply in found if reply.account]


def test_figures_name_a_circuit_without_the_password_of_its_address() -> None:
    """The figures of a service are on the bus, and for everybody who reads its metrics."""
    endpoint = Endpoint("http://ada:lovelace@127.0.0.1:9/v1", "m")
    client = ModelClient(endpoint)
    client.state(endpoint)
    assert list(client.circuits()) == ["m at 127.0.0.1:9"]


@pytest.mark.parametrize(
    ("limits", "spent", "allowed"),
    [
        (ModelLimits(requests=5), SpendingRow(agent="engineer", requests=2), 3),
        (ModelLimits(requests=0), SpendingRow(), 0),
        (ModelLimits(tokens=100), SpendingRow(agent="engineer", tokens_in=40), 2),
        (ModelLimits(cost=1e-3), SpendingRow(agent="engineer", cost=4e-4), 3),
        (ModelLimits(cost=1e-3), SpendingRow(agent="researcher", cost=1e-3), 0),
    ],
)
async def test_no_request_exceeds_a_limit(
    scripted_model: "ScriptedModel", limits: ModelLimits, spent: SpendingRow, allowed: int
) -> None:
    """However many are asked at once; what others took counts too, and nothing paid for is lost."""
    guard = SpendingGuard(SpendingMemory(limits, spent).ask)
    outcomes = await ask_often(scripted_model, guard, 8, PRICE)
    assert len(scripted_model.requests) == outcomes.count("answered") == allowed
    assert outcomes.count("over_budget") == 8 - allowed


async def test_a_limit_holds_without_the_endpoints_count(scripted_model: "ScriptedModel") -> None:
    """Some endpoints send no usage."""
    guard = SpendingGuard(SpendingMemory(ModelLimits(tokens=1_000)).ask)
    outcomes = [(await ask_often(scripted_model, guard, 1, form="no usage"))[0] for _ in range(9)]
    assert outcomes[0] == "answered"
    assert outcomes[-1] == "over_budget"


async def test_a_request_that_waits_for_its_turn_has_no_permission_yet(scripted_model: "ScriptedModel") -> None:
    """Another service makes a request for each of ours: those that wait see it, so the limit of 6 holds."""

    async def ask(_: Query) -> Record:
        others = SpendingRow(agent="engineer", requests=len(scripted_model.requests))
        return Spending(rows=(others,), limits=ModelLimits(requests=6))

    imitate(scripted_model, lambda _: said(JSON))
    client = ModelClient(Endpoint(scripted_model.url, "m", concurrency=1), "researcher", guard=SpendingGuard(ask))
    await asyncio.gather(*(client.answer(CAUSE, QUESTION) for _ in range(6)))
    await client.close()
    assert len(scripted_model.requests) == 3


async def test_what_the_log_has_of_this_process_counts_once(scripted_model: "ScriptedModel") -> None:
    """Its answers are in memory's sums a moment later."""
    memory = SpendingMemory(ModelLimits(requests=4))
    guard = SpendingGuard(memory.ask)
    assert await ask_often(scripted_model, guard, 2) == ["answered"] * 2
    memory.reply = memory.reply.model_copy(update={"rows": (SpendingRow(agent="researcher", asked=2, requests=2),)})
    assert await ask_often(scripted_model, guard, 2) == ["answered"] * 2
    assert await ask_often(scripted_model, guard, 1) == ["over_budget"]


async def test_a_campaign_without_limits_is_asked_about_once(scripted_model: "ScriptedModel") -> None:
    """They are fixed at its start."""
    memory = SpendingMemory(None)
    assert await ask_often(scripted_model, SpendingGuard(memory.ask), 3) == ["answered"] * 3
    assert memory.asked <= 3


async def test_unknown_spending_is_no_permission(scripted_model: "ScriptedModel") -> None:
    """If memory does not answer, no request is made."""

    async def away(_: Query) -> Record:
        raise TimeoutError

    assert await ask_often(scripted_model, SpendingGuard(away), 1) == ["over_budget"]
    assert not scripted_model.requests


def test_a_request_is_estimated_from_its_prompt_and_its_limit() -> None:
    """Four characters are a token; what the model has said is read again."""
    meter = AnswerMeter("m", "localhost", "", "", PRICE)
    assert next_request(meter, 4_000, 500) == Spent(1, 1_500, PRICE.cost(1_000, 500))
    meter.count(ReplyFacts(tokens_in=1_000, tokens_out=400, tokens_reasoning=100))
    assert next_request(meter, 4_000, 500) == Spent(1, 1_800, PRICE.cost(1_300, 500))


async def test_several_models_share_an_agents_questions(scripted_model: "ScriptedModel") -> None:
    """By their weights; a decision draws the same one each time."""
    imitate(scripted_model, lambda _: said(JSON))
    endpoints = [Endpoint(scripted_model.url, name) for name in ("a", "b")]
    choices = {"researcher": [WeightedEndpoint(endpoints[0], 3.0), WeightedEndpoint(endpoints[1])], "": []}
    client = ModelClient(choices, "researcher")
    causes = [envelope_of(HumanMessage(kind="ask", text="how?"), seq=seq) for seq in range(60)]
    models = [reply.account.model for cause in causes if (reply := await client.answer(cause, QUESTION)).account]
    again = await client.answer(causes[7], QUESTION)
    await client.close()
    assert 35 <= models.count("a") <= 55
    assert again.account
    assert again.account.model == models[7]


def test_an_account_adds_up_the_replies() -> None:
    """Failed answers count."""
    meter = AnswerMeter("m", "localhost", "v1", "d", PRICE)
    for _ in range(2):
        meter.count(ReplyFacts(tokens_in=100, tokens_out=50, tokens_cached=20, tokens_reasoning=10))
    outcome: ModelOutcome = "no_json"
    account = meter.account(outcome)
    assert (account.tokens_in, account.tokens_out, account.tokens_cached, account.tokens_reasoning) == (
        200,
        100,
        40,
        20,
    )
    assert account.cost == PRICE.cost(200, 100, 40)
    assert json.loads(account.model_dump_json())["outcome"] == outcome
