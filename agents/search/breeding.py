"""Proposals without a model: genetic operators on the ancestors' designs, biased by goal, papers and people.

The operators are those of the design space that the campaign searches (`agents.search.space`). An ancestor that a
person or a model wrote has no design. The first ancestor with a design then is the parent, and the record names that
one: it says what was done, not what was requested.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from agents.design import NEUTRAL, Bias, Variation, bias_from_text
from agents.design.formulas.grafting import graft
from agents.design.obeying import bias_of_wish, vary_as_wished
from agents.design.wishes import read_wish
from agents.search.space import NAMED_UNITS, DesignSpace, Grammar
from agents.search.spaces import space_named
from bus.vocabulary.events import ProposalCreated, ProposalRequested
from bus.vocabulary.queries import CognitionEntry, Experiment
from bus.wire.ids import BASELINE_PREFIX


@dataclass(frozen=True, slots=True)
class Donor:
    """An experiment whose design can be varied."""

    id: str
    design: Any


def baseline_proposal(request: ProposalRequested) -> ProposalCreated | None:
    """Return the founder that a slot asks for; None if none has that name.

    In the mixer grammar it is a human design, or a layer of a paper that has a source and no design.
    """
    space = space_named(request.space)
    founder = space.founder(request.baseline or "")
    if founder is None:
        return None
    return ProposalCreated(
        name=founder.name,
        motivation=founder.motivation,
        source=founder.source,
        origin="baseline",
        operator="baseline",
        design=None if founder.design is None else space.to_json(founder.design),
        guidance=request.guidance,
    )


def prior_proposal(request: ProposalRequested) -> ProposalCreated:
    """Return the design of an earlier campaign that a slot asks for."""
    space = space_named(request.space)
    design = space.from_json(request.design)
    return ProposalCreated(
        name=space.label(design),
        motivation=f"{space.label(design)}: it was among the best of an earlier campaign.",
        source=space.source(design),
        origin="genetic",
        operator="prior",
        design=space.to_json(design),
    )


def select_donors(
    request: ProposalRequested, ancestors: Sequence[Experiment], baselines: Iterable[str]
) -> tuple[Donor, ...]:
    """Return the parent and references that have a design, in that order; if none has, the campaign's baselines.

    `baselines` are names of founders, which the space knows even before their experiments are open.
    """
    rows, space = {row.id: row for row in ancestors}, space_named(request.space)
    ids = [ancestor for ancestor in (request.parent, *request.references) if ancestor]
    donors = [Donor(ancestor, design) for ancestor in ids if (design := _design(ancestor, rows.get(ancestor), space))]
    if donors or not ids:
        return tuple(donors)
    founders = {name: founder.design for name in baselines if (founder := space.founder(name))}
    return tuple(Donor(BASELINE_PREFIX + name, design) for name, design in founders.items() if design is not None)


def slot_bias(
    goal: str,
    cognition: Iterable[CognitionEntry],
    request: ProposalRequested,
    lean: Bias = NEUTRAL,
    *,
    from_text: bool,
) -> Bias:
    """Return what the campaign's goal, the papers, its own results (`lean`) and people ask for; later ones win.

    Of a paper, the units that it names count; with `from_text`, also the words of its algorithm.
    """
    if from_text:
        papers = bias_from_text(" ".join((*entry.units, entry.algorithm)) for entry in cognition)
    else:
        papers = Bias.of_units(unit for entry in cognition for unit in entry.units)
    people = bias_of_wish(request.wish) if request.wish else bias_from_text(request.guidance)
    return bias_from_text([goal]) | papers | lean | people


def draft(
    request: ProposalRequested, donors: Sequence[Donor], bias: Bias, random: Random, grammar: Grammar = NAMED_UNITS
) -> Any:
    """Return the design that `breed` makes with the same draws, without its source."""
    parent, mates = (donors[0] if donors else None), [donor.design for donor in donors[1:]]
    return _variation(request, parent, mates, bias, random, grammar).design


def breed(
    request: ProposalRequested,
    donors: Sequence[Donor],
    bias: Bias,
    cognition: Sequence[CognitionEntry],
    random: Random,
    grammar: Grammar = NAMED_UNITS,
) -> ProposalCreated:
    """Return a new design: the first donor varied with the others as mates, or one from scratch without donors."""
    space, parent = space_named(request.space), donors[0] if donors else None
    mates = [donor.design for donor in donors[1:]]
    variation = _variation(request, parent, mates, bias, random, grammar)
    descends = parent is not None and variation.operator != "scratch"
    heeded = [text for text in request.guidance if _is_heeded(text, request)]
    return ProposalCreated(
        name=space.label(variation.design),
        motivation=space.motivation(variation, parent.design if parent else None, heeded),
        source=space.source(variation.design),
        origin="genetic",
        operator=variation.operator,
        parent=parent.id if parent and descends else None,
        references=_mates(variation, donors),
        design=space.to_json(variation.design),
        cognition=tuple(entry.key for entry in cognition),
        guidance=request.guidance,
    )


def _variation(
    request: ProposalRequested, parent: Donor | None, mates: Sequence[Any], bias: Bias, random: Random, grammar: Grammar
) -> Variation:
    """Return the parent varied, or a design from scratch; it fulfils the wish of the slot, if there is one."""
    design = parent.design if parent else None
    if request.graft and design is not None:
        with suppress(ValueError):  # a person's or a model's design may not take it
            return graft(design, request.graft)
    if request.wish and not grammar.wished:
        grammar = Grammar(grammar.formulas)
    vary = partial(space_named(request.space).vary, design, mates, random, request.preferences, bias, grammar)
    if request.wish:
        return vary_as_wished(vary, design, random, request.wish, bias, normal_forms=grammar.normal_forms)
    return vary()


def _is_heeded(text: str, request: ProposalRequested) -> bool:
    """Return whether a steering message names a unit, under the rule of the slot."""
    return bool(read_wish(text).mentions if request.wish else bias_from_text([text]).matches)


def _mates(variation: Variation, donors: Sequence[Donor]) -> tuple[str, ...]:
    """Return the other experiments that a design drew on: those that a crossover could choose from."""
    return tuple(donor.id for donor in donors[1:]) if variation.operator == "crossover" else ()


def _design(experiment: str, row: Experiment | None, space: DesignSpace) -> Any | None:
    """Return an experiment's design; a baseline's is known from the space before it is proposed."""
    if row is not None and row.design is not None:
        try:
            return space.from_json(row.design)
        except ValueError:  # a design of another version of the grammar
            return None
    is_baseline = experiment.startswith(BASELINE_PREFIX)
    founder = space.founder(experiment.removeprefix(BASELINE_PREFIX)) if is_baseline else None
    return founder.design if founder else None
