"""Grafts: a design gets a given formula on its axis, and nothing else changes."""

import random
from functools import partial

from agents.design.equivalence import normal_form
from agents.design.operators import with_unit
from agents.design.space import with_frame
from agents.design.tree import Design, Path
from agents.design.units.unit import is_formula
from agents.design.variation import Change, Variation
from bus.vocabulary.design_edits import design_items, edits


def graft(design: Design, unit: str) -> Variation:
    """Return the design with the formula `axis:key` on the first path that takes it, or in the frame.

    Raises ValueError if none takes it as the only change, or if the result computes what the design does.
    """
    axis, _, key = unit.partition(":")
    if not is_formula(key):
        raise ValueError(f"{unit[:200]!r} is no formula")
    for spot in (None, *range(len(design.paths))):
        child = _with_unit(design, spot, axis, key)
        if child is not None and _differs_in_one(child, design):
            return Variation(child, f"graft:{axis}", partial(_change, design, child, spot, unit))
    raise ValueError(f"the design can't take {unit[:200]!r} as its only change")


def _change(design: Design, child: Design, spot: int | None, unit: str) -> Change:
    axis = unit.partition(":")[0]
    before, after = ((one if spot is None else one.paths[spot]).units[axis].gist for one in (design, child))
    return Change(f"{axis}: {after} instead of {before}", (unit,))


def _with_unit(design: Design, spot: int | None, axis: str, key: str) -> Design | None:
    """Return the design with a unit in the frame (None) or on a path; None if the grammar has no such design."""
    owner = design if spot is None else design.paths[spot]
    if axis not in owner.choices:
        return None
    try:
        if spot is None:
            return with_frame(design.paths, {**design.choices, axis: key})
        paths: list[Path] = list(design.paths)
        paths[spot] = with_unit(paths[spot], axis, key, random.Random(0))
        return with_frame(tuple(paths), dict(design.choices))
    except ValueError:
        return None


def _differs_in_one(child: Design, design: Design) -> bool:
    """Return whether two designs differ in one unit, and in what they compute."""
    items = design_items(child.to_json()), design_items(design.to_json())
    return edits(*items) == 1 and normal_form(child) not in (normal_form(design), design)
