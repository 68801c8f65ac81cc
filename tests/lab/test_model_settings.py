"""`[llm]` and its tables: what each agent asks, and what the campaign records of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.vocabulary.events import ModelChoice, ModelLimits
from lab.errors import LabError
from lab.home import Home
from lab.roster import decider_specs
from lab.runtime import campaign, models
from lab.runtime.campaign_choice import start_campaign
from lab.runtime.campaign_start import campaign_started
from lab.settings import LoadedSettings, Settings

TABLES = """
[llm]
base_url = "http://127.0.0.1:9/v1"
model = "small"
max_tokens = 900
headers = {"api-key" = "$SOME_SECRET"}

[llm.researcher]
temperature = 0.9

[[llm.researcher.choices]]
model = "large"
weight = 3
reasoning_effort = "low"

[[llm.researcher.choices]]
model = "other"
base_url = "http://127.0.0.1:8/v1"
body = {top_k = 40}

[llm.engineer]
retries = 5
concurrency = 1

[llm.prices."sm*"]
input = 1.0
output = 2.0

[llm.limits]
requests = 100
"""


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder without settings, with the variable that a header names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_SECRET", "s3cret-value")


def settings(text: str, **options: Any) -> Settings:
    """Return the settings of a lab.toml."""
    Path("lab.toml").write_text(text)
    return LoadedSettings.load(options).settings


def test_every_role_that_can_use_a_model_has_a_table() -> None:
    """And the defaults are for all."""
    found = models.choices(settings(TABLES).llm)
    assert {name for name, spec in decider_specs().items() if spec.uses_model} <= found.keys()
    assert [one.endpoint.model for one in found["analyst"]] == ["small"]


def test_values_of_an_agent_are_on_top_of_the_defaults() -> None:
    """And those of one of its models on top of these."""
    found = models.choices(settings(TABLES).llm)
    large, other = found["researcher"]
    assert (large.endpoint.model, large.weight, large.endpoint.reasoning_effort) == ("large", 3.0, "low")
    assert (other.endpoint.base_url, other.endpoint.body) == ("http://127.0.0.1:8/v1", {"top_k": 40})
    assert {one.endpoint.temperature for one in (large, other)} == {0.9}
    assert {one.endpoint.max_tokens for one in (large, other)} == {900}
    (engineer,) = found["engineer"]
    assert (engineer.endpoint.retries, engineer.endpoint.concurrency, engineer.endpoint.temperature) == (5, 1, None)
    assert engineer.price
    assert large.price is None


def test_a_bandit_chooses_among_several_models_of_the_agents_that_want_one() -> None:
    """An agent with one model needs none; CampaignStarted names those that have one."""
    for_all = f'[llm]\nchoice = "bandit"\n{TABLES.replace("[llm]", "", 1)}'
    assert settings(TABLES).llm.bandits() == ()
    assert settings(for_all).llm.bandits() == ("researcher",)
    own = settings(TABLES.replace("[llm.researcher]", '[llm.researcher]\nchoice = "bandit"'))
    assert campaign_started(own).model_bandits == ("researcher",)


@pytest.mark.parametrize("table", ["llm", "llm.programmer"])
def test_no_bandit_chooses_among_the_models_that_write_programs(table: str) -> None:
    """It would ask memory, which a meta-campaign lacks; so the setting is refused, and one model needs no choice."""
    tables = {"llm": 'base_url = "http://127.0.0.1:9/v1"\n', "llm.programmer": 'model = "a"\n'}
    tables[table] += 'choice = "bandit"\n'
    one = "".join(f"[{name}]\n{lines}" for name, lines in tables.items())
    several = f"{one}[[llm.programmer.choices]]\nmodel = 'b'\n[[llm.programmer.choices]]\nmodel = 'c'\n"
    models.check(settings(one).llm, ("programmer",))
    models.check(settings(several).llm)
    with pytest.raises(LabError, match=r"no bandit can choose .*; hint: set \[llm.programmer\] choice"):
        models.check(settings(several).llm, ("programmer",))


def test_several_judges_of_one_campaign_are_refused() -> None:
    """The marks of two models are no one scale; with a formula as the judge, any number may explain."""
    several = settings(f"{TABLES}\n[[llm.judge.choices]]\nmodel = 'a'\n[[llm.judge.choices]]\nmodel = 'b'\n").llm
    with pytest.raises(LabError, match="the judge has 2: a, b; hint: name one"):
        models.check_judge(several, "model")
    models.check_judge(several, "formula")
    models.check_judge(settings(TABLES).llm, "model")


def test_a_judge_has_temperature_0_if_none_is_set() -> None:
    """Its marks should depend on the result."""
    assert models.choices(settings(TABLES).llm)["judge"][0].endpoint.temperature == 0.0
    warm = settings(f"{TABLES}\n[llm.judge]\ntemperature = 0.5\n").llm
    assert models.choices(warm)["judge"][0].endpoint.temperature == 0.5


def test_a_campaign_records_what_steers_and_no_secret() -> None:
    """Models, weights and sampling; neither addresses nor headers."""
    started = campaign_started(settings(TABLES))
    assert (started.models["researcher"], started.models["engineer"]) == ("large", "small")
    assert started.model_choices["engineer"] == (ModelChoice(model="small", max_tokens=900),)
    assert [one.weight for one in started.model_choices["researcher"]] == [3.0, 1.0]
    assert started.model_choices["researcher"][1].body
    assert started.model_limits == ModelLimits(requests=100)
    text = started.model_dump_json()
    assert "SOME_SECRET" not in text
    assert "127.0.0.1" not in text


def test_one_agent_alone_may_have_a_model() -> None:
    """The others decide by rules and the grammar."""
    only = '[llm.analyst]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\n'
    assert campaign_started(settings(only)).models == {"analyst": "m"}


def test_services_get_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their environment, as JSON."""
    expected = settings(TABLES, home=tmp_path)
    for name, value in campaign.service_environment(expected, Home(tmp_path), "researcher").items():
        monkeypatch.setenv(name, value)
    Path("lab.toml").unlink()
    found = LoadedSettings.load({}).settings
    assert json.loads(found.model_dump_json()) == json.loads(expected.model_dump_json())


async def test_a_campaign_keeps_the_limits_that_it_began_with(tmp_path: Path) -> None:
    """Other ones are refused when it is resumed; without any, the recorded ones hold."""
    bus, home = Bus(MemoryTransport(), "director"), Home(tmp_path)
    begun = settings(TABLES, home=tmp_path)
    campaign, _ = await start_campaign(bus, begun, home)
    assert await start_campaign(bus, begun, home) == (campaign, None)
    assert await start_campaign(bus, settings("", home=tmp_path), home) == (campaign, None)
    with pytest.raises(LabError, match=r"began with other limits of its models .*requests=100"):
        await start_campaign(bus, settings(TABLES, home=tmp_path, llm={"limits": {"requests": 7}}), home)


async def test_a_campaign_keeps_the_arms_that_it_began_with(tmp_path: Path) -> None:
    """Other ones are refused when it is resumed; without any, the recorded ones hold."""
    bus, home = Bus(MemoryTransport(), "director"), Home(tmp_path)
    begun = settings(TABLES, home=tmp_path, arms={"grammar": 0.5})
    campaign, _ = await start_campaign(bus, begun, home)
    assert await start_campaign(bus, begun, home) == (campaign, None)
    assert await start_campaign(bus, settings(TABLES, home=tmp_path), home) == (campaign, None)
    with pytest.raises(LabError, match="began with other arms; hint: leave --arms out"):
        await start_campaign(bus, settings(TABLES, home=tmp_path, arms={"grammar": 0.25}), home)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[llm]\nbase_url = "localhost"\nmodel = "m"', "is no HTTP URL"),
        ('[llm]\nbase_url = "http://h/v1"\napi_key_env = "NO_SUCH"', "NO_SUCH is not set"),
        ('[llm]\nbase_url = "http://h/v1"\nheaders = {k = "$NO_SUCH"}', "NO_SUCH, which is not set"),
        ('[llm]\nbase_url = "http://h/v1"\nmodel = "m"\n[llm.limits]\ncost = 1', "no price for 'm'"),
    ],
)
def test_a_model_that_cant_be_asked_is_an_error_before_the_start(text: str, fault: str) -> None:
    """In one line."""
    with pytest.raises(LabError, match=fault) as raised:
        models.check(settings(text).llm)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["[llm.reasercher]\nmodel = 'm'", "[llm.judge]\ntemprature = 0", "[llm.limits]\neuros = 1"]
)
def test_an_unknown_key_is_an_error(text: str) -> None:
    """Also in an inner table."""
    with pytest.raises(LabError, match="unknown setting 'llm\\."):
        settings(text)
