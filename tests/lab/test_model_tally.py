"""What a person reads of the models: a line for each agent, a line for a failure, an estimate, an open circuit."""

from pathlib import Path

from bus.vocabulary.events import ModelAccount, ModelAnswered, ModelOutcome
from lab.client.event_text import notable_line
from lab.client.model_tally import OUTCOME_WORDS, ModelTally
from lab.observability import service_families
from lab.runtime.model_estimate import estimate
from lab.settings import LoadedSettings
from tests.support.decisions import envelope_of


def answered(outcome: ModelOutcome = "answered", cost: float | None = None) -> ModelAnswered:
    """Return the account of a question that the researcher asked."""
    why = "" if outcome == "answered" else "the answer holds no JSON object"
    account = ModelAccount(model="m", outcome=outcome, requests=1, tokens_in=1_000, tokens_out=500, cost=cost)
    return ModelAnswered(agent="researcher", purpose="draft", account=account, why=why)


def test_a_line_says_how_many_were_answered_and_why_others_were_not() -> None:
    """The most frequent reason first; a cost only if one is known."""
    assert ModelTally.of([answered("no_json")] * 36).lines() == [
        "researcher: 0 of 36 answered by m, 54,000 tokens: answers are no JSON (36)"
    ]
    assert ModelTally.of([answered(cost=0.25), answered(cost=0.25)]).lines() == [
        "researcher: 2 of 2 answered by m, 3,000 tokens, cost 0.5"
    ]
    assert ModelTally.of([]).lines() == []


def test_every_outcome_has_words() -> None:
    """Except an answer."""
    outcomes = ModelAccount.model_fields["outcome"].annotation
    assert OUTCOME_WORDS.keys() | {"answered"} == set(outcomes.__args__)  # type: ignore[union-attr]


def test_a_failure_is_notable_and_an_answer_is_not() -> None:
    """In the lines of `move37 run` and `move37 events`."""
    assert notable_line(envelope_of(answered(), "e0001")) is None
    line = notable_line(envelope_of(answered("no_json"), "e0001"))
    assert line
    assert line.endswith("no answer of m for the researcher (no_json): the answer holds no JSON object")


def test_an_estimate_names_models_questions_and_cost(tmp_path: Path) -> None:
    """Without a price for each model the cost is unknown; without models there is nothing to say."""
    table = '[llm]\nbase_url = "http://h/v1"\nmodel = "m"\n'
    prices = "[llm.prices.m]\ninput = 1.0\noutput = 2.0\n"
    texts = []
    for text in ("", table, table + prices):
        path = tmp_path / "lab.toml"
        path.write_text(text)
        texts.append(estimate(LoadedSettings.load({"experiments": 10}, path).settings))
    assert texts[0] == ""
    assert texts[1] == "models: m; about 41 questions, 328,000 tokens, cost unknown without [llm.prices]"
    assert texts[2].endswith("328,000 tokens, cost 0.41")


def test_an_open_circuit_is_a_figure_of_the_service() -> None:
    """1 while it sends no requests."""
    circuits = {"a at h": {"state": "open", "failures": 4}, "b at h": {"state": "closed", "failures": 0}}
    family = service_families.circuits([{"role": "researcher", "instance": "1", "circuits": circuits}])
    assert {sample.labels["model"]: sample.value for sample in family.samples} == {"a at h": 1.0, "b at h": 0.0}
