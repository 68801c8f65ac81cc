"""AskSpending: what the models of a campaign took, as of a position, summed by what the question asks for."""

from bus.vocabulary.events import ModelAccount, ModelAnswered, ModelLimits, ModelOutcome
from bus.vocabulary.queries import AskSpending, Spending, SpendingKey, SpendingRow
from memory.queries import Knowledge, answer
from tests.support.scribe import Scribe

LIMITS = ModelLimits(requests=9)


def answered(agent: str, cost: float | None, outcome: ModelOutcome = "answered") -> ModelAnswered:
    """Return the account of a question that took two requests."""
    account = ModelAccount(model="m", outcome=outcome, requests=2, tokens_in=100, tokens_out=10, cost=cost, seconds=1.5)
    return ModelAnswered(agent=agent, purpose="draft", account=account, why="" if outcome == "answered" else "no JSON")


def spending(scribe: Scribe, *by: SpendingKey, at: int = 0) -> Spending:
    """Return what memory answers."""
    reply = answer(Knowledge(scribe.store), AskSpending(by=by, at=at))
    assert isinstance(reply, Spending)
    return reply


def test_accounts_are_summed_by_the_keys_that_are_asked_for(scribe: Scribe) -> None:
    """Failures count too; a model without a price is counted apart."""
    scribe.start(model_limits=LIMITS)
    scribe.write("e0001", answered("researcher", 0.5))
    scribe.write("e0001", answered("engineer", None))
    scribe.write("e0002", answered("researcher", 0.25, "no_json"))
    reply = spending(scribe, "agent")
    assert reply.limits == LIMITS
    researcher, engineer = reply.rows
    assert researcher == SpendingRow(
        agent="researcher", asked=2, answered=1, requests=4, tokens_in=200, tokens_out=20, seconds=3.0, cost=0.75,
        outcomes={"answered": 1, "no_json": 1}, why="no JSON",
    )  # fmt: skip
    assert (engineer.agent, engineer.cost, engineer.unpriced) == ("engineer", 0.0, 1)
    assert [(row.experiment, row.asked) for row in spending(scribe, "experiment").rows] == [("e0001", 2), ("e0002", 1)]
    assert [row.requests for row in spending(scribe).rows] == [6]
    scribe.write("e0003", answered("engineer", None, "circuit_open"))
    assert [row.circuit_open for row in spending(scribe, "agent").rows] == [False, True]


def test_later_accounts_do_not_count(scribe: Scribe) -> None:
    """The answer is as of a position."""
    scribe.start()
    scribe.write("e0001", answered("researcher", 0.5))
    before = scribe.store.position
    scribe.write("e0001", answered("researcher", 0.5))
    assert [row.asked for row in spending(scribe, at=before).rows] == [1]
    assert spending(scribe).limits is None
