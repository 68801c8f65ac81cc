"""Genomes of researcher programs: their canonical form, how they vary, and the programs that they render to."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.meta.genome import Brood, BudgetSplit, Genome, Mates, OperatorMix, Population, Selection
from agents.meta.rendering import render
from agents.meta.seeds import SEEDS
from agents.meta.variation import mutate_parameter, mutate_part, random_genome, splice, vary
from agents.search.policy import Suggestion
from agents.search.programs.checking import check_program
from tests.support.decisions import drive
from tests.support.policy_campaigns import RANKED, memory_of, status
from tests.support.programs import policy_of

MAX_PROGRAM_LINES = 120
SEED = st.integers(0, 10_000)
EVERY_SEED = pytest.mark.parametrize("name", sorted(SEEDS))


def folded(genome: Genome, analysed: int = 40) -> dict[str, object]:
    """Return a program's state after so many results."""
    policy, state = policy_of(render(genome, "folded")), dict[str, object]()
    for count in range(1, analysed + 1):
        now = status("random", count)
        renewal = drive(policy.tell(now, state), memory_of(now))
        state = dict(renewal.state) if renewal else state
    return state


def suggestions(genome: Genome, count: int = 30, **fields: Any) -> list[Suggestion]:
    """Return what a program suggests after 40 results, with seeds 0, 1, ..."""
    campaign = status("random", pool=folded(genome), **fields)
    policy = policy_of(render(genome, "asked"))
    return [drive(policy.ask(campaign, campaign.pool, Random(seed)), memory_of(campaign)) for seed in range(count)]


@given(SEED)
def test_a_canonical_form_is_its_own(seed: int) -> None:
    """Drawing and every operator return canonical genomes, and they have one digest."""
    random = Random(seed)
    a, b = random_genome(random), random_genome(random)
    for genome in (a, b, mutate_part(a, random), mutate_parameter(a, random), splice(a, b, random)):
        assert genome.canonical() == genome
        assert genome.digest() == Genome.model_validate_json(genome.model_dump_json()).digest()


@given(SEED)
def test_the_same_seed_gives_the_same_genomes(seed: int) -> None:
    """A sequence of variations depends on the generator alone."""

    def sequence() -> list[str]:
        random, genome = Random(seed), SEEDS["two_tier"]
        genomes = [genome := vary(genome, SEEDS["aging"], random).genome for _ in range(10)]
        return [genome.digest() for genome in genomes]

    assert sequence() == sequence()


@given(SEED)
def test_a_variation_differs_from_its_parents(seed: int) -> None:
    """A child that searches as a parent does would be scored twice."""
    random = Random(seed)
    parent, mate = random_genome(random), random_genome(random)
    assert vary(parent, mate, random).genome.digest() not in {parent.digest(), mate.digest()}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Genome(operators=OperatorMix(mutate=0.5, crossover=0.25, scratch=0)),
         Genome(operators=OperatorMix(mutate=1, crossover=0.5, scratch=0))),
        (Genome(mates=Mates(kind="newest", count=0)), Genome(mates=Mates(kind="best", size=5, count=0))),
        (Genome(brood=Brood(children=4)), Genome(brood=Brood(children=32))),
        (Genome(budget=BudgetSplit(opening=100)),
         Genome(selection=Selection(size=1), budget=BudgetSplit(opening=100))),
        (Genome(selection=Selection(size=20), population=Population(size=5)),
         Genome(selection=Selection(size=5), population=Population(size=50))),
        (Genome(operators=OperatorMix(crossover=0), mates=Mates(count=4)),
         Genome(operators=OperatorMix(crossover=0), mates=Mates(count=0))),
        (Genome(operators=OperatorMix(crossover=1, scratch=0), mates=Mates(count=0)),
         Genome(operators=OperatorMix(crossover=0, scratch=0), mates=Mates(count=0))),
        (Genome(operators=OperatorMix(mutate=0, crossover=0)), Genome(budget=BudgetSplit(opening=100))),
        (Genome(selection=Selection(size=1), population=Population(kind="grid")), Genome(selection=Selection(size=1))),
        (Genome(selection=Selection(kind="tournament", size=1), population=Population(size=10)),
         Genome(selection=Selection(size=10), population=Population(size=10))),
        (Genome(selection=Selection(kind="tournament", size=5), population=Population(size=1)),
         Genome(selection=Selection(size=1))),
    ],
)  # fmt: skip
def test_genomes_that_search_alike_have_one_digest(a: Genome, b: Genome) -> None:
    """They differ in what no program reads, by a constant factor, or by an operator that falls back on another."""
    assert a != b
    assert a.digest() == b.digest()


@given(SEED)
def test_a_program_is_short_and_compiles(seed: int) -> None:
    """Any genome renders to a readable file."""
    source = render(random_genome(Random(seed)), "drawn")
    assert source.count("\n") <= MAX_PROGRAM_LINES
    assert max(map(len, source.splitlines())) <= 120
    assert policy_of(source).name == "drawn"
    assert check_program(source) == []


@settings(deadline=None, max_examples=15)
@given(SEED)
def test_a_program_keeps_the_contract_of_policies(seed: int) -> None:
    """Suggestions name usable experiments once, depend on the seed alone, and survive an empty campaign."""
    genome, vetoed = random_genome(Random(seed)), RANKED[:5]
    seen = suggestions(genome, vetoed=vetoed, ranking=RANKED[5:])
    assert seen == suggestions(genome, vetoed=vetoed, ranking=RANKED[5:])
    for suggestion in seen:
        names = [name for name in (suggestion.parent, *suggestion.references) if name]
        assert len(set(names)) == len(names)
        assert set(names) <= {*RANKED[5:], *status("random").founders}
    policy, empty = policy_of(render(genome, "empty")), status("random", 0, founders=())
    assert drive(policy.ask(empty, {}, Random(0)), memory_of(empty)).parent is None


@EVERY_SEED
def test_a_seed_is_canonical_and_has_a_program(name: str) -> None:
    """Its program suggests something after 40 results."""
    assert SEEDS[name].canonical() == SEEDS[name]
    assert len({seed.digest() for seed in SEEDS.values()}) == len(SEEDS)
    assert (suggestions(SEEDS[name])[0].parent is None) == (name == "random")


def test_every_part_shows_in_what_a_program_suggests() -> None:
    """Each part changes suggestions in the way that its docstring says."""
    best_three = suggestions(Genome(selection=Selection(size=3), mates=Mates(count=0)))
    assert {one.parent for one in best_three} == set(RANKED[:3])
    assert all(one.references == () for one in best_three)
    sampled = suggestions(Genome(selection=Selection(kind="tournament", size=20), population=Population(size=30)))
    assert {one.parent for one in sampled} <= set(RANKED[:10])
    ranked = suggestions(Genome(selection=Selection(kind="rank", size=20)), 200)
    assert sum(one.parent == RANKED[0] for one in ranked) > 200 / 10
    newest = suggestions(Genome(population=Population(kind="aging", size=5), selection=Selection(size=50)))
    assert {one.parent for one in newest} == set(RANKED[-5:])
    share = suggestions(Genome(population=Population(kind="threshold", size=10), selection=Selection(size=50)))
    assert {one.parent for one in share} == set(RANKED[:4])
    brood = suggestions(Genome(brood=Brood(ranking="parzen", children=8, unranked=25)))[0]
    assert (brood.children, brood.ranking, brood.unranked) == (8, "parzen", 0.25)
    opening = suggestions(Genome(budget=BudgetSplit(opening=50)), budget=100)
    assert {one.parent for one in opening} == {None}


def test_a_restart_begins_when_no_result_was_better_for_long() -> None:
    """The best of these results came first, so after 40 of them 39 have brought nothing better."""
    draws = Genome(budget=BudgetSplit(patience=13, restart=2))
    keeps = Genome(budget=BudgetSplit(patience=20, restart=2))
    assert {one.parent for one in suggestions(draws)} == {None}
    assert None not in {one.parent for one in suggestions(keeps)}


def test_a_grid_keeps_the_best_of_each_kind() -> None:
    """Kinds differ in their paths, so fewer elites than results remain."""
    elites = folded(SEEDS["quality_diversity"])["elites"]
    assert isinstance(elites, dict)
    assert RANKED[0] in elites.values()
    assert 3 < len(elites) < len(RANKED)
