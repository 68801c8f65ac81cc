"""The programs that a meta-campaign starts from: ways to search that people have published, as genomes.

Renewals in batches (`two_tier`), bandits (`mixture`) and what reads papers can't be told as a genome; the nearest form
stands here. The sources are in the policies of the same name in `agents.search`.
"""

from collections.abc import Mapping

from agents.meta.genome import Brood, BudgetSplit, Genome, Mates, OperatorMix, Population, Selection

_MUTATE_ONLY = OperatorMix(mutate=1.0, crossover=0.0, scratch=0.0)
_NO_MATES = Mates(count=0)

SEEDS: Mapping[str, Genome] = {
    name: genome.canonical()
    for name, genome in {
        "random": Genome(budget=BudgetSplit(opening=100)),
        "hill_climb": Genome(selection=Selection(size=1), operators=_MUTATE_ONLY, mates=_NO_MATES),
        "mutate_best": Genome(selection=Selection(size=5), operators=_MUTATE_ONLY, mates=_NO_MATES),
        "two_tier": Genome(selection=Selection(size=10), mates=Mates(kind="best", size=50, count=4)),
        "aging": Genome(
            selection=Selection(kind="tournament", size=10),
            population=Population(kind="aging", size=20),
            operators=_MUTATE_ONLY,
            mates=_NO_MATES,
            budget=BudgetSplit(opening=20),
        ),
        "quality_diversity": Genome(
            selection=Selection(size=50),
            population=Population(kind="grid"),
            operators=OperatorMix(mutate=1.0, crossover=1.0, scratch=0.0),
            mates=Mates(kind="grid", count=2),
            budget=BudgetSplit(opening=20),
        ),
        "crossover_heavy": Genome(
            selection=Selection(size=20),
            operators=OperatorMix(mutate=0.25, crossover=1.0, scratch=0.0),
            mates=Mates(kind="best", size=20, count=4),
        ),
        "parzen": Genome(
            selection=Selection(size=10), mates=Mates(count=4), brood=Brood(ranking="parzen", children=16)
        ),
    }.items()
}
"""Every seed by its name."""
