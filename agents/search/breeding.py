"""Proposals without a model: genetic operators on the ancestors' designs, biased by what people and papers say.

An ancestor whose source came from a person or a model has no tree of units. Structure is then taken from the first one
that has, and that one is recorded as the parent: the record says what was done, not what was asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

from pydantic import JsonValue

from agents.design import (
    BASELINES,
    Bias,
    Design,
    Variation,
    bias_from_text,
    from_scratch,
    motivation,
    name,
    render,
    vary,
)
from bus.vocabulary.events import ProposalCreated, ProposalRequested
from bus.vocabulary.queries import CognitionEntry, Experiment
from bus.wire.ids import BASELINE_PREFIX


@dataclass(frozen=True, slots=True)
class Donor:
    """An experiment whose design can be varied."""

    id: str
    design: Design


def baseline_proposal(asked: ProposalRequested) -> ProposalCreated | None:
    """Return the human design that a slot asks for, or None where no baseline has that name."""
    human = BASELINES.get(asked.baseline or "")
    if human is None:
        return None
    return ProposalCreated(
        name=human.name,
        motivation=human.motivation,
        source=human.source,
        origin="baseline",
        operator="baseline",
        design=_tree(human.design),
        guidance=asked.guidance,
    )


def select_donors(
    asked: ProposalRequested, ancestors: Sequence[Experiment], baselines: Iterable[str]
) -> tuple[Donor, ...]:
    """Return the parent and references that have a design, in that order; the campaign's baselines where none has.

    `baselines` are names of human designs, known from the grammar even before their own experiments are.
    """
    rows = {row.id: row for row in ancestors}
    wanted = [one for one in (asked.parent, *asked.references) if one]
    found = [Donor(one, design) for one in wanted if (design := _design(one, rows.get(one)))]
    if found or not wanted:
        return tuple(found)
    return tuple(Donor(BASELINE_PREFIX + one, BASELINES[one].design) for one in baselines if one in BASELINES)


def slot_bias(goal: str, cognition: Iterable[CognitionEntry], guidance: Iterable[str]) -> Bias:
    """Return what the campaign's goal, the papers and the people ask for; people have the last word."""
    papers = [" ".join((*entry.units, entry.algorithm)) for entry in cognition]
    return bias_from_text([goal, *papers, *guidance])


def breed(
    asked: ProposalRequested, stock: Sequence[Donor], bias: Bias, cognition: Sequence[CognitionEntry], random: Random
) -> ProposalCreated:
    """Return a new design: the first donor varied with the others as mates, or one from scratch without donors."""
    parent = stock[0] if stock else None
    mates = [donor.design for donor in stock[1:]]
    variation = vary(parent.design, mates, random, bias) if parent else from_scratch(random, bias)
    descends = parent is not None and variation.operator != "scratch"
    heard = [words for words in asked.guidance if bias_from_text([words]).matches]
    return ProposalCreated(
        name=name(variation.design),
        motivation=motivation(variation, name(parent.design) if parent else None, heard),
        source=render(variation.design).source,
        origin="genetic",
        operator=variation.operator,
        parent=parent.id if parent and descends else None,
        references=_mates(variation, stock),
        design=_tree(variation.design),
        cognition=tuple(entry.key for entry in cognition),
        guidance=asked.guidance,
    )


def _mates(variation: Variation, stock: Sequence[Donor]) -> tuple[str, ...]:
    """Return the experiments a design drew on beside its parent: those a crossover could choose from."""
    return tuple(donor.id for donor in stock[1:]) if variation.operator == "crossover" else ()


def _design(experiment: str, row: Experiment | None) -> Design | None:
    """Return an experiment's design; a baseline's is known from the grammar before it is proposed."""
    if row is not None and row.design is not None:
        try:
            return Design.from_json(row.design)
        except ValueError:  # written by another version of the grammar
            return None
    human = BASELINES.get(experiment.removeprefix(BASELINE_PREFIX)) if experiment.startswith(BASELINE_PREFIX) else None
    return human.design if human else None


def _tree(design: Design) -> dict[str, JsonValue]:
    """Return a design as the JSON that events carry."""
    return cast("dict[str, JsonValue]", design.to_json())
