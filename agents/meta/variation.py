"""Genetic operators on genomes: draw one, replace a part, change a parameter, splice two.

All draws come from the generator that is given, so one seed gives one sequence of genomes. Every result is canonical
and differs from its parents.
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from agents.meta.genome import PARTS, Genome, Part
from bus.vocabulary.events import MetaOperator

MAX_TRIES = 100
"""Draws of one variation: some change nothing that a program reads."""


class VariedGenome(NamedTuple):
    """A genome and how it came about."""

    genome: Genome
    operator: MetaOperator


def random_genome(random: Random) -> Genome:
    """Return a genome with every parameter drawn evenly from its values."""
    return Genome.model_validate({name: _random_part(part, random) for name, part in PARTS.items()}).canonical()


def vary(parent: Genome, mate: Genome, random: Random) -> VariedGenome:
    """Return the parent changed by an operator drawn evenly; a splice with itself becomes a change of a part."""
    operators: dict[MetaOperator, Callable[[], Genome]] = {
        "parameter": lambda: mutate_parameter(parent, random),
        "part": lambda: mutate_part(parent, random),
        "splice": lambda: splice(parent, mate, random),
    }
    known = (parent.canonical(), mate.canonical())
    for _ in range(MAX_TRIES):
        operator = random.choice(list(operators))
        child = operators[operator]()
        if child not in known:
            return VariedGenome(child, operator)
    return VariedGenome(random_genome(random), "random")


def mutate_part(genome: Genome, random: Random) -> Genome:
    """Return the genome with one part drawn afresh."""
    name = random.choice(list(PARTS))
    return genome.model_copy(update={name: _random_part(PARTS[name], random)}).canonical()


def mutate_parameter(genome: Genome, random: Random) -> Genome:
    """Return the genome with one parameter changed: a number by one step of its values, a word to another one."""
    name = random.choice(list(PARTS))
    part: Part = getattr(genome, name)
    field, values = random.choice(list(part.CHOICES.items()))
    changed = part.model_copy(update={field: _neighbour(getattr(part, field), values, random)})
    return genome.model_copy(update={name: changed}).canonical()


def splice(a: Genome, b: Genome, random: Random) -> Genome:
    """Return a genome with every part from one of the two, drawn evenly."""
    return a.model_copy(update={name: getattr(random.choice((a, b)), name) for name in PARTS}).canonical()


def _random_part(part: type[Part], random: Random) -> Part:
    return part(**{field: random.choice(values) for field, values in part.CHOICES.items()})


def _neighbour(value: Any, values: tuple[Any, ...], random: Random) -> Any:
    """Return another value: any word, or the nearest number below or above, even if the value is none of them."""
    if isinstance(value, str):
        return random.choice([other for other in values if other != value])
    below, above = [other for other in values if other < value], [other for other in values if other > value]
    return random.choice([*below[-1:], *above[:1]])
