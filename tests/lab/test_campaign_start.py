"""The start of a campaign: its event records the policy, the limits, the roles' settings and the models."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from typer.testing import CliRunner

from agents.design import BASELINES
from agents.search import DEFAULT_POLICY, policy_class
from agents.search.two_tier import TwoTier, TwoTierParameters
from bus.delivery.bus import Bus
from bus.delivery.memory_transport import MemoryTransport
from bus.delivery.transport import TransportError
from bus.wire import subjects
from bus.wire.ids import campaign_id, has_name
from lab.campaign_tables import even_shares
from lab.commands.campaign import app
from lab.errors import LabError, WrongUsage
from lab.home import Home
from lab.runtime import campaign
from lab.runtime.campaign_choice import resolve_settings, start_campaign
from lab.runtime.campaign_start import campaign_started
from lab.runtime.fork_changes import ForkChanges, campaign_forked
from lab.settings import LoadedSettings, Settings
from trainer import scales

SEARCH = """
policy = "two_tier"
[policy_parameters]
batch = 7
[roles.researcher]
max_ideas = 2
"""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without a lab.toml."""
    monkeypatch.chdir(tmp_path)


def settings(toml: str = "", **options: Any) -> Settings:
    """Return the settings of a lab.toml and of options of the command line."""
    Path("lab.toml").write_text(toml)
    return LoadedSettings.load(options).settings


def test_parameters_that_are_not_given_suit_the_length_of_the_campaign() -> None:
    """A parameter in `[policy_parameters]` overrides the suited one; all of them are recorded."""
    started = campaign_started(settings(SEARCH, experiments=200))
    suited = TwoTier.sized_for(200, len(started.baselines))
    assert started.policy == "two_tier"
    assert TwoTierParameters.model_validate(started.policy_parameters) == suited.model_copy(update={"batch": 7})


def test_a_campaign_without_a_choice_has_the_default_policy() -> None:
    """CampaignStarted records it with all its parameters, so a later default changes no campaign that has begun."""
    started = campaign_started(settings(experiments=200))
    assert started.policy == DEFAULT_POLICY
    assert started.policy_parameters == policy_class(DEFAULT_POLICY).sized_for(200, len(started.baselines)).model_dump()


def test_the_limits_are_those_of_the_scale() -> None:
    """The rung of the ladder of scales has them."""
    started, scale = campaign_started(settings()), scales.load("nano")
    assert (started.limits.seconds, started.limits.memory_mb) == (scale.seconds, scale.memory_mb)


MODEL = """
[llm.researcher]
base_url = "http://127.0.0.1:1/v1"
model = "m"
"""


def test_arms_that_share_the_designs_evenly() -> None:
    """`--arms` leaves the controls out that it does not name; the model's designs are the guided ones."""
    assert even_shares("grammar,model") == {"random": 0.0, "mutate_best": 0.0, "graft": 0.0, "grammar": 0.5}
    assert campaign_started(settings(MODEL, arms=even_shares("grammar, model"))).arms == {"grammar": 0.5}
    assert campaign_started(settings(MODEL, arms=even_shares("model,random,grammar"))).arms == {
        "random": 1 / 3,
        "grammar": 1 / 3,
    }
    assert campaign_started(settings()).arms == {"random": 0.05, "mutate_best": 0.05, "graft": 0.05}


@pytest.mark.parametrize(
    ("arms", "fault"),
    [
        ("grammar,modell", "there is no arm 'modell'; hint: choose of model, random, mutate_best, graft, grammar"),
        ("grammar", "'grammar' compares nothing"),
        ("model", "'model' compares nothing"),
        ("", "there is no arm ''"),
    ],
)
def test_arms_that_compare_nothing_are_a_wrong_usage(arms: str, fault: str) -> None:
    """One line, and exit code 2."""
    result = CliRunner().invoke(app, ["run", "--arms", arms])
    assert isinstance(result.exception, WrongUsage)
    assert fault in str(result.exception)


def test_arms_need_what_they_compare() -> None:
    """The grammar's arm needs a model, and shares have a sum of at most 1."""
    with pytest.raises(LabError, match="the arm `grammar` is compared with a model; hint: give the researcher one"):
        campaign_started(settings(arms=even_shares("grammar,model")))
    with pytest.raises(LabError, match=r"the shares add up to 1\.1"):
        settings("[arms]\nrandom = 0.5\nmutate_best = 0.5\ngrammar = 0.1\n")


def test_settings_of_roles_are_recorded_with_their_defaults() -> None:
    """Every role that has settings is listed, with the values in force."""
    started = campaign_started(settings(SEARCH))
    assert started.roles["researcher"]["max_ideas"] == 2
    assert campaign_started(settings()).roles["researcher"].keys() == started.roles["researcher"].keys()


def test_settings_of_a_role_that_decides_nothing_are_checked_and_not_recorded() -> None:
    """`[roles.dashboard]` may be in the lab.toml of a campaign."""
    assert "dashboard" not in campaign_started(settings("[roles.dashboard]\nport = 9000")).roles
    with pytest.raises(LabError, match=r"\[roles.dashboard\] port"):
        campaign_started(settings("[roles.dashboard]\nport = -1"))


def test_models_are_named_for_the_roles_that_can_use_one() -> None:
    """Without an endpoint no role has a model, and no prompt is recorded."""
    started = campaign_started(settings('[llm]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "small"\n'))
    assert {"researcher", "engineer"} <= started.models.keys()
    assert set(started.models.values()) == {"small"}
    assert started.prompts
    assert (campaign_started(settings()).models, campaign_started(settings()).prompts) == ({}, {})


def test_a_fork_takes_the_models_of_the_settings_or_none() -> None:
    """It then has what a campaign that starts with these settings has, and nothing else is different."""
    toml = '[llm]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "small"\nlimits = { tokens = 9 }\n'
    silent, speaking = (campaign_started(settings(text)) for text in ("", toml))
    forks = [
        campaign_forked(ForkChanges(models=models), settings(toml), before, 3, 8).applied_to(before)
        for models, before in (("settings", silent), ("none", speaking))
    ]
    assert forks == [speaking, silent]
    assert speaking.model_limits


def test_services_get_the_settings_of_the_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a service gives the settings that the supervisor has, tables included."""
    expected = settings(SEARCH, home=tmp_path, seed=3)
    for name, value in campaign.service_environment(expected, Home(tmp_path), "researcher").items():
        monkeypatch.setenv(name, value)
    Path("lab.toml").unlink()
    assert LoadedSettings.load({}).settings == expected


def test_a_home_keeps_the_policy_of_its_campaign(tmp_path: Path) -> None:
    """Another policy is refused; without one, the recorded policy is used."""
    home = Home(tmp_path)
    home.record_campaign({"id": "c", "seed": 0, "scale": "nano", "policy": "random", "experiments": 5})
    assert resolve_settings(LoadedSettings.load({}).settings, home).policy == "random"
    with pytest.raises(LabError, match="policy random, not two_tier"):
        resolve_settings(LoadedSettings.load({"policy": "two_tier"}).settings, home)


async def test_a_changed_budget_that_could_not_be_published_is_requested_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home records a number of experiments once the stream has the message that asks for it."""
    home, transport = Home(tmp_path), MemoryTransport()
    bus = Bus(transport, "director")
    campaign, _ = await start_campaign(bus, settings(experiments=5), home)
    with monkeypatch.context() as patch:
        patch.setattr(transport, "publish", AsyncMock(side_effect=TransportError("away")))
        with pytest.raises(TransportError):
            await start_campaign(bus, settings(experiments=9), home)
    assert (home.campaign() or {})["experiments"] == 5
    assert await start_campaign(bus, settings(experiments=9), home) == (campaign, 1)
    assert await start_campaign(bus, settings(experiments=9), home) == (campaign, None)
    assert [json.loads(one.payload)["text"] for one in await transport.read(subjects.HUMAN)] == ["9"]


def test_a_home_finds_each_of_its_campaigns_by_name_or_id(tmp_path: Path) -> None:
    """Without a name it is the one that ran last; the settings are those of the one that is meant."""
    home = Home(tmp_path)
    for seed, name in ((1, "gates"), (2, "decay")):
        record = {"id": campaign_id(seed, "nano", name), "seed": seed, "scale": "nano", "experiments": 5}
        home.record_campaign(record)
    for name, seed in (("", 2), ("decay", 2), ("gates", 1), (campaign_id(1, "nano", "gates"), 1)):
        assert resolve_settings(LoadedSettings.load({"campaign": name}).settings, home).seed == seed
    assert home.campaign("gate") is None


def test_a_name_does_not_hide_the_seed() -> None:
    """The same name with another seed is another campaign; `has_name` takes a name or an id, and no part of one."""
    first, second = campaign_id(1, "nano", "gates"), campaign_id(2, "nano", "gates")
    assert first != second
    assert has_name(first, "gates")
    assert has_name(first, first)
    assert not has_name(first, second)
    assert not has_name("more-gates-0000", "gates")


def test_a_name_is_one_token_of_a_subject() -> None:
    """Dots, stars and blanks would make other subjects of it."""
    for name in ("a.b", "*", "a b", "-a", "x" * 41):
        with pytest.raises(LabError, match="campaign = "):
            LoadedSettings.load({"campaign": name})


OBJECTIVE = """
[objective]
max_flops = 0
[objective.tasks.text]
noise = 0.05
weight = 2.0
"""
WEIGHTLESS = "".join(f"[objective.tasks.{name}]\nweight = 0\n" for name in scales.load("nano").tasks)


def test_the_objective_is_recorded_whole() -> None:
    """Every task of the scale has a measure, a weight and a noise; `[objective]` overrides the defaults."""
    default, own = (campaign_started(settings(toml)).objective for toml in ("", OBJECTIVE))
    assert default is not None
    assert own is not None
    assert default.tasks.keys() == scales.load("nano").tasks.keys()
    assert (default.tasks["text"].measure, default.tasks["text"].noise, default.max_flops) == (
        "nats_per_byte",
        0.015,
        1.5,
    )
    assert (own.tasks["text"].weight, own.tasks["text"].noise, own.max_flops) == (2.0, 0.05, None)
    assert {**own.tasks, "text": default.tasks["text"]} == default.tasks


def test_every_scale_has_an_objective() -> None:
    """A task without a measured noise has a default."""
    for name in scales.ladder():
        started = campaign_started(settings(scale=name))
        assert started.objective is not None
        assert sum(task.weight for task in started.objective.tasks.values()) == pytest.approx(1.5)


def test_a_campaign_may_rank_by_fitness() -> None:
    """As published: then it has no objective."""
    assert campaign_started(settings("[objective]\nrank_by = 'fitness'")).objective is None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[objective.tasks.txt]\nweight = 1", "nano has no such task; hint: choose one of"),
        ("[objective.tasks.text]\nmeasure = 'accuracy'", "needs its noise"),
        ("[objective.tasks.text]\nnoise = 0", "objective.tasks.text.noise = 0"),
        ("[objective]\nrank_by = 'judge'", "objective.rank_by = 'judge'"),
        (
            "".join(f"[objective.tasks.{name}]\nweight = 0\n" for name in scales.load("nano").tasks),
            "every task has weight 0",
        ),
    ],
)
def test_a_wrong_objective_is_refused(toml: str, message: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(LabError, match=message):
        campaign_started(settings(toml))


def test_a_campaign_opens_with_the_human_designs_that_a_person_names() -> None:
    """In their order, each once; the default ones without any; an unknown name is refused with the known ones."""
    assert campaign_started(settings(baselines=["kda", "gla", "kda"])).baselines == ("kda", "gla")
    assert campaign_started(settings()).baselines == tuple(BASELINES)
    with pytest.raises(LabError, match=r"no human design 'kdb'; hint: choose of linear-attention, .*, kda"):
        campaign_started(settings(baselines=["kdb"]))
