"""Designs with formulas: one axis of a design is opened, or a formula that it has is changed.

    vary_formula(design, mates, rng)

A named unit with a known formula starts the search on its axis. What turns out to be a named unit becomes that unit, so
a design has one form, and a formula that computes what the parent's did is no child.
"""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from agents.design.bias import NEUTRAL, Bias
from agents.design.formulas.expression import Expression
from agents.design.formulas.keys import formula_key, formula_of
from agents.design.formulas.known import seed_of
from agents.design.formulas.openings import OPENINGS, Opening
from agents.design.formulas.plainer import is_idle
from agents.design.formulas.trees import cheapest_first, grown, varied
from agents.design.operators import from_scratch, mutate, vary, with_unit
from agents.design.space import repair_choices, with_frame
from agents.design.tree import Design, Path
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis, is_formula
from agents.design.variation import Change, Variation, unit_labels
from bus.vocabulary.design_edits import function_of

CANDIDATES = 3
"""Trees that are drawn for one child; the simpler ones are likelier to be it."""
FRESH_SHARE = 0.3
"""Share of formulas that are grown from nothing although the present unit has one."""
COINED_SHARE = 0.5
"""Share of ideas on an axis with coined formulas that take one of them."""
_MAX_TRIES = 50


class _Spot(NamedTuple):
    """One axis of a design that a formula may fill; `path` is None in the frame."""

    opening: Opening
    path: int | None
    weight: float


def vary_open(
    parent: Design | None,
    mates: Sequence[Design],
    rng: random.Random,
    bias: Bias = NEUTRAL,
    preferences: Mapping[str, float] = MappingProxyType({}),
    formulas: float = 0.0,
    coined: Sequence[str] = (),
) -> Variation:
    """Return a variation of the parent, or a design from scratch without one; a share `formulas` gets another formula.

    `preferences` are factors on the shares of `formula`, `mutate`, `crossover` and `scratch`. With a share of 0, every
    draw is as without formulas. `coined` are formulas that are drawn whole, as `axis:key`.
    """
    opens = bool(formulas) and rng.random() < formulas * preferences.get("formula", 1.0)
    if parent is None:
        fresh = from_scratch(rng, bias)
        if not opens:
            return fresh
        opened = vary_formula(fresh.design, mates, rng, bias, coined)
        return Variation(opened.design, "scratch", partial(_drawn_and_opened, fresh, opened))
    return vary_formula(parent, mates, rng, bias, coined) if opens else vary(parent, mates, rng, bias, preferences)


def vary_formula(
    design: Design, mates: Sequence[Design], rng: random.Random, bias: Bias = NEUTRAL, coined: Sequence[str] = ()
) -> Variation:
    """Return the design with another formula on one axis, new or coined; a plain mutation if none is found."""
    spots = _spots(design, bias)
    for _ in range(_MAX_TRIES if any(spot.weight for spot in spots) else 0):
        spot = rng.choices(spots, [spot.weight for spot in spots])[0]
        tree = _coined_tree(spot, coined, rng) or _new_tree(spot, design, mates, rng)
        if tree is None or is_idle(tree):
            continue
        key = formula_key(spot.opening.axis, tree)
        if not bias.of(f"{spot.opening.axis}:{key}"):  # the named unit of this function is ruled out
            continue
        try:
            child = _with_key(design, spot, key, rng, bias)
        except ValueError:  # the rules of the grammar allow no such design
            continue
        if not _same_function(child, design):
            return Variation(child, f"formula:{spot.opening.axis}", partial(_change, design, child, spot, key))
    return mutate(design, rng, bias)


def formulas_of(design: Design) -> dict[str, Expression]:
    """Return the formulas of a design by `axis:key`."""
    choices = [choice for owner in (*design.paths, design) for choice in owner.choices.items()]
    return {f"{axis}:{key}": formula_of(axis, key) for axis, key in choices if is_formula(key)}


def _spots(design: Design, bias: Bias) -> list[_Spot]:
    """Return where a formula may stand, weighted by axis; one whose units are all ruled out has no weight."""
    owners = [(index, path.axes) for index, path in enumerate(design.paths)] + [(None, FRAME)]
    return [
        _Spot(OPENINGS[axis.name], index, axis.weight * _leaning(axis, bias))
        for index, axes in owners
        for axis in axes
        if axis.formula
    ]


def _leaning(axis: Axis, bias: Bias) -> float:
    """Return the factor of an axis' formulas: that of the unit besides the plain one which is favoured most."""
    return max(bias.of_each(f"{axis.name}:{key}" for key in axis.keys[1:]), default=1.0)


def _new_tree(spot: _Spot, design: Design, mates: Sequence[Design], rng: random.Random) -> Expression | None:
    """Return a tree for a spot: one of a few candidates, from the present one or grown."""
    axis = spot.opening.axis
    owner = design if spot.path is None else design.paths[spot.path]
    present = _tree_of(axis, owner.choices[axis])
    others = [tree for mate in mates for tree in _trees_on(axis, mate)]
    candidates: list[Expression] = []
    for _ in range(CANDIDATES):
        from_present = present is not None and rng.random() >= FRESH_SHARE
        tree = varied(present, others, spot.opening, rng) if from_present and present else grown(spot.opening, rng)
        candidates += [tree] if tree is not None else []
    return cheapest_first(candidates, rng) if candidates else None


def _coined_tree(spot: _Spot, coined: Sequence[str], rng: random.Random) -> Expression | None:
    """Return a coined formula of the spot's axis in some of the cases; None in the others, and without one."""
    axis = spot.opening.axis
    keys = [key for unit in coined for name, _, key in [unit.partition(":")] if name == axis]
    return formula_of(axis, rng.choice(keys)) if keys and rng.random() < COINED_SHARE else None


def _tree_of(axis: str, key: str) -> Expression | None:
    """Return the formula behind a key, named units included."""
    return formula_of(axis, key) if is_formula(key) else seed_of(axis, key)


def _trees_on(axis: str, design: Design) -> list[Expression]:
    """Return the formulas that a design has on an axis."""
    keys = [owner.choices[axis] for owner in (*design.paths, design) if axis in owner.choices]
    return [tree for key in keys if (tree := _tree_of(axis, key)) is not None]


def _with_key(design: Design, spot: _Spot, key: str, rng: random.Random, bias: Bias) -> Design:
    """Return the design with a key in a spot. Raises ValueError if the rules allow none."""
    paths: list[Path] = list(design.paths)
    frame, keep = dict(design.choices), {"paths"}
    if spot.path is None:
        frame[spot.opening.axis] = key
        keep.add(spot.opening.axis)
    else:
        paths[spot.path] = with_unit(paths[spot.path], spot.opening.axis, key, rng, bias)
    frame = repair_choices(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, keep, rng, bias)
    return with_frame(tuple(paths), frame)


def _same_function(child: Design, parent: Design) -> bool:
    """Return whether two designs differ at most in how their formulas are written."""
    a, b = ([[*map(function_of, owner.choices.values())] for owner in (*one.paths, one)] for one in (child, parent))
    return a == b


def _drawn_and_opened(fresh: Variation, opened: Variation) -> Change:
    return Change(f"{fresh.change}; {opened.change}", opened.units)


def _change(parent: Design, child: Design, spot: _Spot, key: str) -> Change:
    axis = spot.opening.axis
    owner = next(owner for owner in (*child.paths, child) if owner.choices.get(axis) == key)
    label = f"{axis}:{key}"
    old = set(unit_labels(parent))
    others = [unit for unit in unit_labels(child) if unit not in old and unit != label]
    before = (parent if spot.path is None else parent.paths[spot.path]).units[axis].gist
    hence = f" (hence {', '.join(unit.replace(':', ' ') for unit in others)})" if others else ""
    return Change(f"{axis}: {owner.units[axis].gist} instead of {before}{hence}", (label, *others))
