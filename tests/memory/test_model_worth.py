"""AskModelWorth: what an agent's models have brought, as of a position."""

from bus.vocabulary.events import CodeRevised, ModelAccount, ModelAnswered, ModelOutcome, ProposalCreated
from bus.vocabulary.queries import AskModelWorth, ModelWorth, ModelWorths
from memory.queries import Knowledge, answer
from tests.support.scribe import Scribe


def asked(
    model: str, agent: str = "researcher", cost: float | None = 0.5, outcome: ModelOutcome = "answered"
) -> ModelAnswered:
    """Return the account of a question; an endpoint that is away takes nothing."""
    tokens_in, tokens_out = (0, 0) if outcome == "unreachable" else (100, 10)
    account = ModelAccount(
        model=model, outcome=outcome, requests=1, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost
    )
    return ModelAnswered(agent=agent, purpose="draft", account=account)


def worths(scribe: Scribe, agent: str = "researcher", at: int = 0) -> dict[str, ModelWorth]:
    """Return what memory answers, by model."""
    reply = answer(Knowledge(scribe.store), AskModelWorth(agent=agent, at=at))
    assert isinstance(reply, ModelWorths)
    return {row.model: row for row in reply.rows}


def propose(scribe: Scribe, experiment: str, model: str, *, parent: str | None = None, origin: str = "model") -> None:
    """Write an idea that a model was asked for twice."""
    scribe.write(experiment, asked(model), asked(model))
    proposal = {"name": "n", "motivation": "m", "source": experiment, "origin": origin, "parent": parent}
    scribe.write(experiment, ProposalCreated.model_validate(proposal))


def end(scribe: Scribe, experiment: str, fitness: float) -> int:
    """Train and analyse an experiment."""
    scribe.complete(experiment)
    return scribe.analyse(experiment, fitness)


def test_an_idea_better_than_its_parent_is_a_success(scribe: Scribe) -> None:
    """A worse one, a fallback of the grammar and a failure are none; what is under way is no trial yet."""
    scribe.start()
    propose(scribe, "e0001", "a")
    end(scribe, "e0001", 0.5)
    for experiment, fitness in (("e0002", 0.6), ("e0003", 0.4)):
        propose(scribe, experiment, "a", parent="e0001")
        end(scribe, experiment, fitness)
    propose(scribe, "e0004", "b", parent="e0001", origin="genetic")
    end(scribe, "e0004", 0.9)
    propose(scribe, "e0005", "b", parent="e0001")
    scribe.fail("e0005")
    propose(scribe, "e0006", "b", parent="e0001")
    found = worths(scribe)
    assert found["a"] == ModelWorth(model="a", trials=3, successes=2, cost=3.0, tokens=660, charged=3)
    assert found["b"] == ModelWorth(model="b", trials=2, successes=0, cost=2.0, tokens=440, charged=2)


def test_the_answer_is_as_of_a_position(scribe: Scribe) -> None:
    """Later ends don't change it."""
    scribe.start()
    propose(scribe, "e0001", "a")
    before = scribe.store.position
    after = end(scribe, "e0001", 0.5)
    assert worths(scribe, at=before)["a"].trials == 0
    assert (worths(scribe, at=after)["a"].trials, worths(scribe, at=after)["a"].successes) == (1, 1)


def test_an_engineers_success_is_a_revision_that_led_to_an_analysis(scribe: Scribe) -> None:
    """One that failed in the end is a trial without."""
    scribe.start()
    for experiment in ("e0001", "e0002"):
        scribe.propose(experiment, source=experiment)
        scribe.write(experiment, asked("a", "engineer", cost=None))
        scribe.write(experiment, CodeRevised(attempt=1, source=f"{experiment}b", change="c", repaired_by="model"))
    end(scribe, "e0001", 0.5)
    scribe.fail("e0002")
    found = worths(scribe, "engineer")["a"]
    assert found == ModelWorth(model="a", trials=2, successes=1, tokens=220, charged=2, unpriced=2)


def test_a_repair_is_the_success_of_the_model_that_made_it(scribe: Scribe) -> None:
    """Not of one that was away, that was asked before or after, or whose answer was of no use."""
    scribe.start()
    scribe.propose("e0001", source="e0001")
    for attempt, model in enumerate(("early", "able"), 1):
        scribe.write("e0001", asked("away", "engineer", cost=0.0, outcome="unreachable"), asked(model, "engineer"))
        scribe.write("e0001", asked("vague", "engineer", outcome="no_json"))
        revision = CodeRevised(attempt=attempt, source=f"{attempt}", change="c", repaired_by="model")
        scribe.write("e0001", revision)
    scribe.write("e0001", asked("late", "engineer"))
    scribe.write("e0001", CodeRevised(attempt=3, source="3", change="c", repaired_by="rules"))
    end(scribe, "e0001", 0.5)
    found = worths(scribe, "engineer")
    assert {model: row.successes for model, row in found.items()} == {
        "away": 0, "early": 0, "vague": 0, "able": 1, "late": 0,
    }  # fmt: skip
    assert {row.trials for row in found.values()} == {1}
    assert (found["away"].tokens, found["away"].charged, found["able"].charged) == (0, 0, 1)


def test_of_another_agent_a_usable_answer_is_a_success(scribe: Scribe) -> None:
    """Each question is a trial."""
    scribe.start()
    scribe.write("e0001", asked("a", "summariser"), asked("a", "summariser", outcome="no_json"))
    found = worths(scribe, "summariser")["a"]
    assert (found.trials, found.successes) == (2, 1)
    assert worths(scribe, "researcher") == {}
