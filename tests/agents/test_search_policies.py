"""The contract of a search policy: every registered policy must pass these tests."""

import ast
from importlib import import_module
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

import agents.search
from agents.search import DEFAULT_POLICY, make_policy, policies, policy_class
from bus.vocabulary.events import CampaignStarted
from bus.vocabulary.queries import (
    CampaignStatus,
)
from tests.support.decisions import drive
from tests.support.policy_campaigns import RANKED, ask, fold, memory_of, started, status

EVERY_POLICY = pytest.mark.parametrize("name", sorted(policies()))


@EVERY_POLICY
def test_a_policy_has_its_registered_name_and_a_summary(name: str) -> None:
    """Help and documentation show the summary and the parameters."""
    policy = policy_class(name)
    assert policy.name == name
    assert policy.summary
    assert policy.Parameters.__doc__


@EVERY_POLICY
def test_parameters_survive_the_log(name: str) -> None:
    """The parameters in CampaignStarted make the same policy again; an unknown parameter raises ValidationError."""
    recorded = CampaignStarted.model_validate_json(started(name).model_dump_json()).policy_parameters
    assert policy_class(name).Parameters.model_validate(recorded).model_dump(mode="json") == recorded
    with pytest.raises(ValidationError):
        make_policy(name, recorded | {"surprise": 1})


@EVERY_POLICY
def test_a_policy_suggests_without_any_analysed_experiment(name: str) -> None:
    """It does so even before the first proposal."""
    for campaign in (status(name, 0), status(name, 0, founders=())):
        suggestion = ask(name, campaign)
        assert suggestion.parent is None or suggestion.parent in campaign.founders


@pytest.mark.parametrize("name", ["two_tier", "mutate_best"])
def test_ideas_may_start_from_imported_experiments(name: str) -> None:
    """They stand next to the baselines until experiments are ranked; after that, measured ones alone are parents."""
    imported = ("i-1", "i-2")
    parents = {ask(name, status(name, 0, imported=imported), seed).parent for seed in range(100)}
    assert parents == {*status(name).founders, *imported}
    ranked = status(name, imported=imported, pool=fold(name))
    assert not {ask(name, ranked, seed).parent for seed in range(100)} & {*imported}


@EVERY_POLICY
def test_the_same_seed_gives_the_same_suggestion(name: str) -> None:
    """The suggestion depends on nothing else that differs between calls."""
    campaign = status(name, pool=fold(name))
    assert [ask(name, campaign, seed) for seed in range(20)] == [ask(name, campaign, seed) for seed in range(20)]


@EVERY_POLICY
def test_a_suggestion_names_existing_experiments_once(name: str) -> None:
    """The parent is not among its references, and no reference occurs twice."""
    campaign = status(name, pool=fold(name))
    experiments = {*campaign.ranking, *campaign.founders}
    for seed in range(50):
        suggestion = ask(name, campaign, seed)
        names = [name for name in (suggestion.parent, *suggestion.references) if name]
        assert set(names) <= experiments
        assert len(set(names)) == len(names)
        assert all(factor >= 0 for factor in suggestion.preferences.values())


@EVERY_POLICY
def test_a_vetoed_experiment_is_not_suggested(name: str) -> None:
    """It is not, even if the state from before the veto names it; with a veto on all, there is still a suggestion."""
    state = fold(name)
    for vetoed in (RANKED[:5], RANKED):
        ranking = tuple(experiment for experiment in RANKED if experiment not in vetoed)
        campaign = status(name, pool=state, vetoed=vetoed, ranking=ranking)
        for seed in range(50):
            suggestion = ask(name, campaign, seed)
            assert not {suggestion.parent, *suggestion.references} & set(vetoed)


@EVERY_POLICY
def test_a_state_survives_the_log(name: str) -> None:
    """After a round trip through JSON, the policy makes the same suggestion from its state."""
    state = fold(name)
    restored = CampaignStatus.model_validate_json(status(name, pool=state).model_dump_json())
    assert ask(name, restored) == ask(name, status(name, pool=state))


@EVERY_POLICY
def test_a_policy_object_holds_no_state(name: str) -> None:
    """Calls of `ask` and `tell` change no later suggestion of the same object."""
    policy = make_policy(name, started(name).policy_parameters)
    campaign = status(name, pool=fold(name))
    memory = memory_of(campaign)
    suggestion = drive(policy.ask(campaign, campaign.pool, Random(3)), memory)
    drive(policy.tell(status(name, 7), {}), memory)
    drive(policy.ask(status(name, 0), {}, Random(4)), memory)
    assert drive(policy.ask(campaign, campaign.pool, Random(3)), memory) == suggestion


@EVERY_POLICY
def test_a_policy_imports_no_clock_and_no_other_source_of_randomness(name: str) -> None:
    """Its file imports no module that makes two runs differ."""
    file = Path(import_module(policy_class(name).__module__).__file__ or "")
    imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    forbidden = {"time", "datetime", "os", "secrets", "uuid", "socket", "asyncio", "threading"}
    assert not {name.split(".")[0] for name in names} & forbidden


def test_the_default_policy_is_registered() -> None:
    """The error for an unknown name lists the registered policies."""
    assert DEFAULT_POLICY in policies()
    with pytest.raises(ValueError, match=r"unknown search policy 'fortune'; policies: .*two_tier"):
        policy_class("fortune")


def test_every_file_of_the_package_has_a_registered_policy_or_is_a_part() -> None:
    """A policy whose file forgets to register it fails this test."""
    folder = Path(agents.search.__file__).parent
    parts = {
        "__init__",
        "arms",
        "policy",
        "breeding",
        "choices",
        "draws",
        "grafting",
        "guidance",
        "leaning",
        "space",
        "ranked_children",
        "ranking_policy",
    }
    assert {file.stem for file in folder.glob("*.py")} - parts == {
        policy_class(name).__module__.rsplit(".", 1)[1] for name in policies()
    }
