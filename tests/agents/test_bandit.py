"""The bandit over models: successes per cost, from the log alone, the same for a decision that is made again."""

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from agents.llm.bandit import chosen, prices
from agents.llm.endpoint import Endpoint
from agents.llm.model import ModelClient, WeightedEndpoint
from bus.delivery.transport import NoAnswer
from bus.vocabulary.events import HumanMessage, Record
from bus.vocabulary.queries import AskModelWorth, ModelWorth, ModelWorths
from bus.vocabulary.questions import Completion, Question
from bus.wire.envelope import Envelope
from tests.support.decisions import envelope_of
from tests.support.imitated_endpoints import JSON, imitate, said

if TYPE_CHECKING:
    from tests.support.scripted_model import ScriptedModel

QUESTION = Completion(instructions="You answer.", prompt="How?", schema_name="Answer", agent="researcher")


def worth(model: str, trials: int, successes: int, cost: float = 0.0, tokens: int = 0) -> ModelWorth:
    """Return what a model has brought."""
    charged = trials if cost or tokens else 0
    unpriced = 0 if cost else charged
    return ModelWorth(
        model=model, trials=trials, successes=successes, cost=cost, tokens=tokens, charged=charged, unpriced=unpriced
    )


def shares(*worths: ModelWorth, draws: int = 400) -> dict[str, float]:
    """Return how often each model is chosen."""
    models = [one.model for one in worths]
    counts = Counter(models[chosen(models, worths, Random(seed))] for seed in range(draws))
    return {model: counts[model] / draws for model in models}


def test_without_trials_every_model_is_asked() -> None:
    """A third each, within the noise of 400 draws."""
    found = shares(*(ModelWorth(model=name) for name in "abc"))
    assert all(0.25 < share < 0.42 for share in found.values())


@pytest.mark.parametrize("unit", ["cost", "tokens"])
def test_what_brings_more_for_less_is_asked_more(unit: str) -> None:
    """A model that costs ten times as much and succeeds a little more often is asked seldom; a better one often."""
    amounts = {"cost": (1.0, 10.0), "tokens": (1_000, 10_000)}[unit]
    cheap, dear = ({unit: amount * 50} for amount in amounts)
    assert shares(worth("cheap", 50, 15, **cheap), worth("dear", 50, 20, **dear))["dear"] < 0.02
    assert shares(worth("cheap", 50, 1, **cheap), worth("dear", 50, 45, **dear))["dear"] > 0.6
    assert shares(worth("cheap", 50, 15, **cheap), worth("same", 50, 30, **cheap))["same"] > 0.95


def test_tokens_count_where_not_every_price_is_known() -> None:
    """Money of one model and none of another can't be compared."""
    known, unknown = worth("known", 10, 5, cost=40.0, tokens=1_000), worth("unknown", 10, 5, tokens=3_000)
    assert prices([known, unknown]) == [(1_000 + 200) / 11, (3_000 + 200) / 11]
    both = [worth("a", 10, 5, cost=40.0), worth("b", 10, 5, cost=20.0)]
    assert prices(both) == [43 / 11, 23 / 11]
    assert prices([ModelWorth(model="a"), ModelWorth(model="b")]) == [1.0, 1.0]


@pytest.mark.parametrize("unit", ["cost", "tokens"])
def test_a_model_whose_endpoint_is_away_is_asked_less_with_every_failure(unit: str) -> None:
    """What it does not take makes it no cheaper."""
    alive = worth("alive", 30, 9, **{unit: 30_000})
    found = [shares(alive, worth("dead", failures, 0))["dead"] for failures in (2, 10, 50)]
    assert found[0] > 3 * found[1] > 9 * found[2]
    assert found[2] < 0.01


def run_of(choose: str, trials: int, seed: int) -> tuple[float, float]:
    """Return the successes per cost of a run over a cheap and a dear model, and the share of the cheap one."""
    random, truth = Random(seed), {"cheap": (0.3, 1.0), "dear": (0.4, 8.0)}
    known = {name: ModelWorth(model=name) for name in truth}
    for _ in range(trials):
        names = list(truth)
        name = names[chosen(names, known.values(), random)] if choose == "bandit" else random.choice(names)
        chance, cost = truth[name]
        one = known[name]
        known[name] = worth(name, one.trials + 1, one.successes + (random.random() < chance), one.cost + cost)
    taken = sum(one.cost for one in known.values())
    return sum(one.successes for one in known.values()) / taken, known["cheap"].trials / trials


def test_a_bandit_yields_more_for_its_money_than_equal_weights() -> None:
    """Over 10 runs of 60 trials, with a model that costs eight times as much and is a third better."""
    bandit = [run_of("bandit", 60, seed) for seed in range(10)]
    weights = [run_of("weights", 60, seed) for seed in range(10)]
    assert sum(gain for gain, _ in bandit) > 2 * sum(gain for gain, _ in weights)
    assert sum(share for _, share in bandit) / 10 > 0.85


def client_of(model: "ScriptedModel", reply: ModelWorths | None, asked: list[AskModelWorth]) -> ModelClient:
    """Return a client with two models whose bandit reads this of the log; without a reply, memory is away."""

    async def memory(_: Envelope, question: Question) -> Record:
        assert isinstance(question, AskModelWorth)
        asked.append(question)
        if reply is None:
            raise NoAnswer("memory is away")
        return reply

    imitate(model, lambda _: said(JSON))
    choices = [WeightedEndpoint(Endpoint(model.url, name), weight) for name, weight in (("a", 1e9), ("b", 1.0))]
    return ModelClient({"researcher": choices}, "researcher", answerer=memory, bandits=("researcher",))


async def test_the_choice_is_the_logs_as_of_the_event_that_is_decided_on(scripted_model: "ScriptedModel") -> None:
    """Every question of a decision asks the same model, whatever its weight, and so does the decision made again."""
    asked: list[AskModelWorth] = []
    reply = ModelWorths(rows=(worth("a", 200, 2, tokens=9_000_000), worth("b", 200, 150, tokens=9_000)))
    for _ in range(2):
        client = client_of(scripted_model, reply, asked)
        for _ in range(2):
            await client.answer(envelope_of(HumanMessage(kind="ask", text="how?"), seq=40), QUESTION)
        await client.close()
    assert [request["model"] for request in scripted_model.requests] == ["b"] * 4
    assert {(query.agent, query.at, query.campaign) for query in asked} == {("researcher", 40, "nano-0-aa")}


async def test_without_memory_the_weights_choose(scripted_model: "ScriptedModel") -> None:
    """A question is not lost to a query that failed."""
    client = client_of(scripted_model, None, [])
    reply = await client.answer(envelope_of(HumanMessage(kind="ask", text="how?")), QUESTION)
    await client.close()
    assert (reply.error, scripted_model.requests[0]["model"]) == ("", "a")
