"""The contract of a search policy: every registered policy must pass these tests."""

import ast
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

import agents.search
from agents.design import draw_design
from agents.search import DEFAULT_POLICY, make_policy, policies, policy_class
from agents.search.policy import Renewal, Suggestion
from agents.search.spaces import space_named
from bus.vocabulary.events import CampaignStarted, Limits
from bus.vocabulary.queries import (
    AskAnalysed,
    AskOutcomes,
    CampaignStatus,
    Experiment,
    Experiments,
    Outcomes,
    TrialOutcome,
)
from tests.support.decisions import Answers, drive

BASELINES = ("gla", "mamba2", "deltanet")
RANKED = tuple(f"e{number:04d}" for number in range(1, 31))
to_json = space_named("mixers").to_json
OUTCOMES = Outcomes(
    rows=tuple(
        TrialOutcome(id=name, policy=("surrogate", "random")[number % 2], operator="crossover", objective=-(number % 2),
                flops=1e9)
        for number, name in enumerate(RANKED)
    )
)  # fmt: skip
"""What memory answers: every second experiment is the surrogate's, and better than all others."""
EVERY_POLICY = pytest.mark.parametrize("name", sorted(policies()))


def started(name: str) -> CampaignStarted:
    """Return a campaign of 100 experiments under a policy."""
    parameters = policy_class(name).sized_for(100, len(BASELINES)).model_dump(mode="json")
    return CampaignStarted(
        goal="", seed=0, scale="nano", experiments=100, slots=4, baselines=BASELINES,
        limits=Limits(seconds=1, memory_mb=1), policy=name, policy_parameters=parameters,
    )  # fmt: skip


def status(name: str, analysed: int = 40, **fields: Any) -> CampaignStatus:
    """Return the status of a campaign under a policy with this number of analysed experiments."""
    founders = tuple(f"base-{baseline}" for baseline in BASELINES)
    defaults = {"founders": founders, "ranking": RANKED[:analysed], "analysed": analysed}
    return CampaignStatus(campaign="c", started=started(name), **defaults | fields)


def ask(name: str, campaign: CampaignStatus, seed: int = 0, state: dict[str, Any] | None = None) -> Suggestion:
    """Ask a policy as the director does."""
    policy = make_policy(name, started(name).policy_parameters)
    return drive(policy.ask(campaign, campaign.pool if state is None else state, Random(seed)), memory_of(campaign))


def memory_of(campaign: CampaignStatus) -> Answers:
    """Return memory's answers in a campaign whose experiments were analysed in the order of their ranks."""

    def analysed(question: AskAnalysed) -> Experiments:
        names = RANKED[: campaign.analysed]
        wanted = {*question.ids, *names[max(0, len(names) - question.newest) :]} - {*campaign.vetoed}
        designs = {name: to_json(draw_design(Random(index))) for index, name in enumerate(RANKED)}
        rows = [Experiment(id=name, status="analysed", design=designs[name]) for name in names if name in wanted]
        return Experiments(rows=tuple(rows))

    return {AskAnalysed: analysed, AskOutcomes: OUTCOMES}


def fold(name: str, analysed: int = 100) -> dict[str, Any]:
    """Return a policy's state after `analysed` analyses, each reported to it once."""
    policy, state, generation = make_policy(name, started(name).policy_parameters), dict[str, Any](), 0
    for count in range(1, analysed + 1):
        now = status(name, count)
        renewal: Renewal | None = drive(policy.tell(now, state), memory_of(now))
        if renewal:
            assert renewal.generation == generation + 1, "generations count without a gap"
            state, generation = dict(renewal.state), renewal.generation
    return state


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
    parts = {"__init__", "policy", "breeding", "guidance", "space", "ranked_children"}
    assert {file.stem for file in folder.glob("*.py")} - parts == {
        policy_class(name).__module__.rsplit(".", 1)[1] for name in policies()
    }


class TestTwoTier:
    """Two tiers, the sampling of ASI-ARCH."""

    def test_tiers_are_renewed_after_the_cold_start_and_then_in_batches(self) -> None:
        """The best ten are the parents, the next forty are the references."""
        policy = make_policy("two_tier", {"cold_start": 5, "batch": 3})
        renewals = {count: drive(policy.tell(status("two_tier", count), {}), {}) for count in range(12)}
        assert {count for count, renewal in renewals.items() if renewal} == {5, 8, 11}
        assert renewals[11] == Renewal(3, {"parents": list(RANKED[:10]), "references": list(RANKED[10:11])})

    def test_parents_come_from_the_first_tier_and_four_references_from_the_second(self) -> None:
        """The tiers are those of the state, whatever the ranking is now."""
        state = {"parents": list(RANKED[:10]), "references": list(RANKED[10:])}
        for seed in range(50):
            suggestion = ask("two_tier", status("two_tier", 30), seed, state)
            assert suggestion.parent in RANKED[:10]
            assert len(suggestion.references) == 4
            assert set(suggestion.references) <= set(RANKED[10:])

    def test_before_the_first_renewal_the_baselines_are_parents_and_references(self) -> None:
        """The pool is still empty then."""
        suggestion = ask("two_tier", status("two_tier", 2))
        assert {suggestion.parent, *suggestion.references} == {f"base-{name}" for name in BASELINES}


def test_random_suggests_no_parent() -> None:
    """It does not, whatever has been analysed."""
    assert {ask("random", status("random"), seed).parent for seed in range(5)} == {None}


class TestAging:
    """Aging evolution over the newest results."""

    def test_the_parent_is_the_best_of_a_sample_of_the_newest(self) -> None:
        """The tournament's size sets how good it is; experiments older than the population are no parents."""
        campaign = status("aging", 30)
        for sample, parents in {20: {RANKED[10]}, 1: set(RANKED[10:30]), 10: set(RANKED[10:21])}.items():
            policy = make_policy("aging", {"population": 20, "sample": sample})
            drawn = {drive(policy.ask(campaign, {}, Random(seed)), memory_of(campaign)).parent for seed in range(400)}
            assert drawn <= parents
            assert len(drawn) >= min(len(parents), 8)

    def test_designs_are_drawn_afresh_until_the_population_is_full(self) -> None:
        """From then on there are mutations alone."""
        assert ask("aging", status("aging", 19)) == Suggestion()
        assert ask("aging", status("aging", 20)).preferences == {"crossover": 0.0, "scratch": 0.0}


class TestQualityDiversity:
    """The grid of elites."""

    def test_every_cell_holds_its_best_experiment(self) -> None:
        """The state after all analyses does not depend on how many of them an earlier state had seen."""
        policy, now = make_policy("quality_diversity", {}), status("quality_diversity", 30)
        grid = fold("quality_diversity", 30)
        assert grid == drive(policy.tell(now, {}), memory_of(now)).state
        space, cells = space_named("mixers"), dict[str, str]()
        for index, name in enumerate(RANKED):
            cells.setdefault("|".join(space.behaviour(draw_design(Random(index)))), name)
        assert grid == {"elites": cells, "seen": 30}
        assert 5 < len(cells) < 30

    def test_parents_come_evenly_from_the_cells(self) -> None:
        """Mates are other elites."""
        state = fold("quality_diversity", 30)
        drawn = [ask("quality_diversity", status("quality_diversity", 30), seed, state) for seed in range(300)]
        assert {suggestion.parent for suggestion in drawn} == {*state["elites"].values()}
        assert {mate for suggestion in drawn for mate in suggestion.references} == {*state["elites"].values()}


@pytest.mark.parametrize(("name", "ranking"), [("surrogate", "improvement"), ("tpe", "parzen")])
def test_policies_that_learn_have_children_of_several_parents_ranked(name: str, ranking: str) -> None:
    """Parents and references come from the best ranks; some slots stay unranked."""
    for seed in range(30):
        suggestion = ask(name, status(name), seed)
        assert (suggestion.ranking, suggestion.children, suggestion.unranked) == (ranking, 24, 0.1)
        assert {suggestion.parent, *suggestion.references} <= set(RANKED[:10])
        assert len(suggestion.references) == 4


class TestMixture:
    """A bandit over policies and operators."""

    def test_the_policy_with_the_most_successes_is_drawn_most(self) -> None:
        """The others are still tried."""
        chosen = [ask("mixture", status("mixture", pool=fold("mixture")), seed).policy for seed in range(300)]
        counts = {name: chosen.count(name) for name in ("surrogate", "random", "tpe", "mutate_best")}
        assert counts["surrogate"] > counts["random"]
        assert min(counts["tpe"], counts["mutate_best"]) > 0

    def test_an_expensive_policy_has_to_succeed_more_often(self) -> None:
        """Of two with the same success, the cheaper one is drawn more often."""
        record = {"successes": 10.0, "trials": 20.0}
        pool = {"policies": {"tpe": record | {"cost": 2.0}, "surrogate": record | {"cost": 0.5}}}
        chosen = [ask("mixture", status("mixture", pool=pool), seed).policy for seed in range(100)]
        assert chosen.count("surrogate") > 5 * chosen.count("tpe")

    def test_the_counts_are_renewed_in_batches_and_depend_on_the_log_alone(self) -> None:
        """The state before makes no difference, so directors that decide at the same time agree."""
        policy = make_policy("mixture", {"batch": 3})
        renewals = [
            drive(policy.tell(status("mixture", count), state), {AskOutcomes: OUTCOMES})
            for count in (5, 6)
            for state in ({}, {"policies": {}})
        ]
        assert renewals[:2] == [None, None]
        assert renewals[2] == renewals[3]
        counts = renewals[2].state["policies"]
        assert (counts["surrogate"]["trials"], counts["random"]["successes"], counts["tpe"]["trials"]) == (15, 0, 0)

    def test_operators_that_succeed_are_preferred(self) -> None:
        """A policy's own preferences still hold: mutate_best never crosses."""
        rows = [
            TrialOutcome(id=str(n), operator=("mutate:decay", "crossover")[n % 2], objective=n % 2) for n in range(40)
        ]
        reply = Outcomes(rows=tuple(rows))
        policy = make_policy("mixture", {"policies": ["mutate_best"]})
        renewal = drive(policy.tell(status("mixture", 4), {}), {AskOutcomes: reply})
        factors = renewal.state["operators"]
        assert factors["crossover"] > 1 > factors["mutate"]
        suggestion = drive(policy.ask(status("mixture"), renewal.state, Random(0)), {})
        assert suggestion.preferences == {"mutate": factors["mutate"], "crossover": 0.0, "scratch": 0.0}

    def test_unknown_policies_are_refused(self) -> None:
        """The error names the ones that can be chosen."""
        with pytest.raises(ValueError, match=r"mixture can't choose among two_tier; hint: choose some of mutate_best"):
            make_policy("mixture", {"policies": ["two_tier"]})
