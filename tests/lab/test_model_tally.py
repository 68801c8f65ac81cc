"""What a person reads of the models: a line for each agent, a line for a failure, an estimate, an open circuit."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.vocabulary.events import ModelAccount, ModelAnswered, ModelOutcome
from lab.client.event_text import notable_line
from lab.client.model_tally import OUTCOME_WORDS, ModelTally
from lab.home import Home
from lab.observability import service_families
from lab.runtime.model_estimate import estimate
from lab.settings import LoadedSettings, Settings
from memory.store import Store
from tests.support.decisions import envelope_of
from tests.support.scribe import Scribe


def answered(outcome: ModelOutcome = "answered", cost: float | None = None) -> ModelAnswered:
    """Return the account of a question that the researcher asked."""
    why = "" if outcome == "answered" else "the answer holds no JSON object"
    account = ModelAccount(model="m", outcome=outcome, requests=1, tokens_in=1_000, tokens_out=500, cost=cost)
    return ModelAnswered(agent="researcher", purpose="draft", account=account, why=why)


def tally(events: Sequence[ModelAnswered], *names: str) -> ModelTally:
    """Return the tally of answers, each about an experiment; without names all about one."""
    about = names or ("e0001",) * len(events)
    return ModelTally.of(envelope_of(event, name) for event, name in zip(events, about, strict=True))


def test_a_line_says_which_experiments_took_most() -> None:
    """Once there are several."""
    assert tally([answered()] * 4, "e0001", "e0002", "e0003", "e0002").lines()[-1] == (
        "most went to e0002 3,000 tokens, e0001 1,500 tokens, e0003 1,500 tokens"
    )


def test_a_line_says_how_many_were_answered_and_why_others_were_not() -> None:
    """The most frequent reason first; a cost only if one is known."""
    assert tally([answered("no_json")] * 36).lines() == [
        "researcher: 0 of 36 answered by m, 54,000 tokens: answers are no JSON (36)"
    ]
    assert tally([answered(cost=0.25), answered(cost=0.25)]).lines() == [
        "researcher: 2 of 2 answered by m, 3,000 tokens, cost 0.5"
    ]
    assert tally([]).lines() == []


def test_a_line_says_whose_circuit_is_open_now() -> None:
    """Until a question of that model is answered, or fails in another way."""
    down = [*[answered("timeout")] * 4, answered("circuit_open")]
    assert tally(down).lines()[0].endswith("the endpoint is down (1); the circuit is open for m")
    assert "circuit" not in tally([*down, answered()]).lines()[0]


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


TABLE = '[llm]\nbase_url = "http://h/v1"\nmodel = "m"\n'
PRICES = "[llm.prices.m]\ninput = 1.0\noutput = 2.0\n"


def settings_of(path: Path, text: str) -> Settings:
    """Return the settings of a file with this text, for ten experiments."""
    path.write_text(text)
    return LoadedSettings.load({"experiments": 10}, path).settings


def figures_of(line: str) -> tuple[int, int]:
    """Return the questions and the tokens that an estimate names."""
    found = re.search(r"about ([\d,]+) questions, ([\d,]+) tokens", line)
    assert found
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_an_estimate_counts_the_first_prompts(tmp_path: Path) -> None:
    """Without a price for each model the cost is unknown; without models there is nothing to say."""
    path = tmp_path / "lab.toml"
    assert estimate(settings_of(path, "")) == ""
    line = estimate(settings_of(path, TABLE))
    assert line.startswith("models: m; about ")
    assert line.endswith(", cost unknown without [llm.prices]")
    priced = estimate(settings_of(path, TABLE + PRICES))
    _, total = figures_of(priced)
    assert total / 1e6 < float(priced.rpartition(" ")[2]) < 2 * total / 1e6


def test_an_estimate_follows_the_settings_of_the_conversation(tmp_path: Path) -> None:
    """Without a plan and reflections, an idea is one question in place of four; a smaller budget is less to read."""
    path = tmp_path / "lab.toml"
    whole = figures_of(estimate(settings_of(path, TABLE)))
    brief = figures_of(estimate(settings_of(path, f"{TABLE}[roles.researcher]\nplan = false\nreflections = false\n")))
    tight = figures_of(estimate(settings_of(path, f"{TABLE}[roles.researcher]\nprompt_tokens = 1500\n")))
    assert whole[0] - brief[0] == pytest.approx(10 * 1.3 * 3, abs=1)
    assert brief[1] < 0.5 * whole[1]
    assert tight[0] == whole[0]
    assert tight[1] < 0.8 * whole[1]


def test_a_campaign_that_goes_on_is_estimated_by_what_it_has_taken(tmp_path: Path) -> None:
    """The mean of its experiments, for those that are left."""
    home = Home(tmp_path / "lab")
    home.prepare()
    home.record_campaign({"id": "c", "seed": 1, "scale": "nano", "experiments": 10})
    account = ModelAccount(model="m", requests=1, tokens_in=900, tokens_out=100)
    with Store(home.database) as store:
        scribe = Scribe(store)
        scribe.start(("gla",))
        scribe.finish("base-gla", 1)
        for number in (1, 2):
            scribe.write(f"e000{number}", ModelAnswered(agent="researcher", purpose="draft", account=account))
            scribe.finish(f"e000{number}", 1 + number)
    line = estimate(settings_of(tmp_path / "lab.toml", TABLE), home)
    assert line.startswith("models: m; about 8 questions, 8,000 tokens")
    assert line.endswith("as the 2 experiments so far")


def test_an_open_circuit_is_a_figure_of_the_service() -> None:
    """1 while it sends no requests."""
    circuits = {"a at h": {"state": "open", "failures": 4}, "b at h": {"state": "closed", "failures": 0}}
    family = service_families.circuits([{"role": "researcher", "instance": "1", "circuits": circuits}])
    assert {sample.labels["model"]: sample.value for sample in family.samples} == {"a at h": 1.0, "b at h": 0.0}
