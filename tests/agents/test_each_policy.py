"""What each search policy does on its own; the contract of all is in `test_search_policies`."""

from random import Random

import pytest

from agents.design import draw_design
from agents.search import make_policy
from agents.search.policy import Renewal, Suggestion
from agents.search.spaces import space_named
from bus.vocabulary.queries import (
    AskOutcomes,
    Outcomes,
    TrialOutcome,
)
from tests.support.decisions import drive
from tests.support.policy_campaigns import BASELINES, OUTCOMES, RANKED, ask, fold, memory_of, started, status


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

    def test_a_veto_costs_a_cell_its_elite_until_it_is_restored(self) -> None:
        """Meanwhile the cell has its next best experiment."""
        space = space_named("mixers")
        cells = ["|".join(space.behaviour(draw_design(Random(index)))) for index in range(28)]
        cell = next(cell for cell in cells if cells.count(cell) > 1)
        first, second = [name for name, its in zip(RANKED, cells, strict=False) if its == cell][:2]
        policy, grids = make_policy("quality_diversity", {}), [fold("quality_diversity", 28)]
        for analysed, vetoed in ((29, (first,)), (30, ())):
            now = status("quality_diversity", analysed, vetoed=vetoed)
            renewal = drive(policy.tell(now, grids[-1]), memory_of(now))
            assert renewal
            grids.append(dict(renewal.state))
        assert [grid["elites"][cell] for grid in grids] == [first, second, first]
        assert grids[2] == fold("quality_diversity", 30)

    def test_parents_come_evenly_from_the_cells(self) -> None:
        """Mates are other elites."""
        state = fold("quality_diversity", 30)
        drawn = [ask("quality_diversity", status("quality_diversity", 30), seed, state) for seed in range(300)]
        assert {suggestion.parent for suggestion in drawn} == {*state["elites"].values()}
        assert {mate for suggestion in drawn for mate in suggestion.references} == {*state["elites"].values()}


@pytest.mark.parametrize(("name", "ranking", "children"), [("surrogate", "improvement", 40), ("tpe", "parzen", 24)])
def test_policies_that_learn_have_children_of_several_parents_ranked(name: str, ranking: str, children: int) -> None:
    """Parents and references come from the best ranks; some slots stay unranked."""
    for seed in range(30):
        suggestion = ask(name, status(name), seed)
        assert (suggestion.ranking, suggestion.children, suggestion.unranked) == (ranking, children, 0.1)
        assert {suggestion.parent, *suggestion.references} <= set(RANKED[:10])
        assert len(suggestion.references) == 4


def test_a_policy_that_learns_ranks_nothing_while_it_warms_up() -> None:
    """From that many analysed experiments on it does."""
    policy = make_policy("surrogate", {"warm_up": 12})
    rankings = [drive(policy.ask(status("surrogate", analysed), {}, Random(1)), {}).ranking for analysed in (11, 12)]
    assert rankings == [None, "improvement"]


def test_a_policy_that_learns_passes_its_factors_on_operators_on() -> None:
    """A factor of 1 is none, as in logs without these parameters."""
    factors = [{}, {"crossover": 2.0}, {"crossover": 2.0, "scratch": 0.0}]
    policies = [make_policy("surrogate", parameters) for parameters in factors]
    suggestions = [drive(policy.ask(status("surrogate", 30), {}, Random(1)), {}) for policy in policies]
    assert [suggestion.preferences for suggestion in suggestions] == factors


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


def test_best_of_n_has_many_designs_from_scratch_ranked() -> None:
    """It suggests no parent."""
    suggestion = ask("best_of_n", status("best_of_n"))
    assert (suggestion.parent, suggestion.children, suggestion.ranking) == (None, 32, "improvement")


def test_crossover_joins_the_best() -> None:
    """Parent and mates come from the best ranks, and joining them is preferred."""
    for seed in range(30):
        suggestion = ask("crossover", status("crossover"), seed)
        assert len(suggestion.references) == 3
        assert {suggestion.parent, *suggestion.references} <= set(RANKED[:12])
        assert suggestion.preferences == {"crossover": 6.0, "scratch": 0.0}


class TestHillClimb:
    """Climbs with restarts."""

    def test_the_top_of_the_climb_is_the_parent(self) -> None:
        """Results from before the start of the climb don't count."""
        assert ask("hill_climb", status("hill_climb", 20), state={}).parent == RANKED[0]
        assert ask("hill_climb", status("hill_climb", 20), state={"start": 12}).parent == RANKED[12]

    def test_a_climb_begins_with_fresh_designs(self) -> None:
        """The first one begins with the baselines."""
        assert ask("hill_climb", status("hill_climb", 2), state={}).parent in status("hill_climb").founders
        assert ask("hill_climb", status("hill_climb", 20), state={"start": 18}) == Suggestion()

    def test_a_climb_ends_when_it_gains_nothing(self) -> None:
        """Here the first result is the best, so climbs of 15 results follow one another."""
        assert fold("hill_climb", 16)["start"] == 16
        assert fold("hill_climb", 15)["start"] == 0

    def test_a_change_of_the_ranking_alone_is_no_gain(self) -> None:
        """An older result became the top: the climb goes on from it, with the patience that is left."""
        policy = make_policy("hill_climb", started("hill_climb").policy_parameters)
        state = {"start": 0, "top": RANKED[3], "gained": 4, "seen": 10}
        now = status("hill_climb", 11)
        renewal = drive(policy.tell(now, state), memory_of(now))
        assert renewal == Renewal(11, {"start": 0, "top": RANKED[0], "gained": 4, "seen": 11})
        older = drive(make_policy("hill_climb", {"patience": 15}).tell(now, state), memory_of(now))
        assert older == Renewal(11, {"start": 0, "top": RANKED[0], "gained": 11, "seen": 11})


class TestHalving:
    """Brackets of ever fewer survivors."""

    @pytest.mark.parametrize(("analysed", "survivors"), [(4, 2), (7, 2), (8, 1), (11, 1)])
    def test_each_round_derives_from_half_as_many(self, analysed: int, survivors: int) -> None:
        """A bracket of two halvings has rounds of four slots."""
        now, policy = status("halving", analysed), make_policy("halving", {"halvings": 2})
        parents = {drive(policy.ask(now, {}, Random(seed)), memory_of(now)).parent for seed in range(40)}
        assert parents == set(RANKED[:survivors])

    @pytest.mark.parametrize("analysed", [0, 3, 12, 15])
    def test_a_bracket_begins_with_fresh_designs(self, analysed: int) -> None:
        """Then the next bracket begins."""
        now, policy = status("halving", analysed), make_policy("halving", {"halvings": 2})
        assert drive(policy.ask(now, {}, Random(0)), memory_of(now)) == Suggestion()


def test_memory_guided_prefers_weaknesses_that_papers_treat() -> None:
    """Mates have another weakness; every second design has one with two papers."""
    drawn = [ask("memory_guided", status("memory_guided"), seed) for seed in range(300)]
    treated = set(RANKED[:10:2])
    assert 0.65 < sum(suggestion.parent in treated for suggestion in drawn) / len(drawn) < 0.85
    for suggestion in drawn:
        assert (suggestion.parent in treated) != any(mate in treated for mate in suggestion.references)
        assert ("mutate" in suggestion.preferences) == (suggestion.parent in treated)
