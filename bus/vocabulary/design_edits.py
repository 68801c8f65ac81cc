"""How many units two designs differ in: the distance by which ideas of the grammar are compared.

    edits(design_items(a), design_items(b))

A design in JSON has units of its frame, as `"gate": "silu"`, and a list `paths` of objects with a `kind` and units of
their own. Here it is one set of items for the frame and one for each path. An item is a unit, or the kind of a path.
Replacing, adding or removing an item is one edit. Paths are paired so that the edits are fewest, and a path without a
partner costs all of its items. Formulas of one function are one unit, however they are written.

This is a metric. The triangle inequality holds for sets of items, because an item of A that C lacks is either lacking
in B, or in B and lacking in C. It holds for designs, because a pairing of a with b and one of b with c make a pairing
of a with c that costs no more than both, and the best pairing costs no more than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

MAX_PATHS = 4
"""Paths that are compared; the grammar has fewer."""
FORMULA_MARK, FUNCTION_MARK = "=", "#"
"""A formula's key is `=` with its text, then `#` with the fingerprint of its function."""
Items = frozenset[str]


@dataclass(frozen=True, slots=True)
class DesignItems:
    """The items of a design."""

    frame: Items
    paths: tuple[Items, ...]

    @property
    def size(self) -> int:
        """Number of items."""
        return len(self.frame) + sum(map(len, self.paths))


def design_items(design: Mapping[str, Any]) -> DesignItems:
    """Return the items of a design in JSON; parts that are no design are left out."""
    frame, *paths = (
        frozenset(f"{prefix}{axis}:{function_of(key)}" for axis, key in owner.items())
        for prefix, owner in _owners(design)
    )
    return DesignItems(frame, tuple(paths))


def formula_items(design: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of a design's formulas, which have their text, by the items, which name their function alone."""
    return {
        f"{prefix}{axis}:{function_of(key)}": key
        for prefix, owner in _owners(design)
        for axis, key in owner.items()
        if isinstance(key, str) and key.startswith(FORMULA_MARK)
    }


def edits(a: DesignItems, b: DesignItems) -> int:
    """Return the fewest edits that turn one design into the other; 0 only for equal functions."""
    longer, shorter = (a.paths, b.paths) if len(a.paths) >= len(b.paths) else (b.paths, a.paths)
    padded = (*shorter, *[Items()] * (len(longer) - len(shorter)))
    of_paths = min(sum(map(_edits, longer, pairing)) for pairing in permutations(padded))
    return _edits(a.frame, b.frame) + of_paths


def _edits(a: Items, b: Items) -> int:
    """Return how many items to replace, add or remove to turn one set into the other."""
    return max(len(a), len(b)) - len(a & b)


def _owners(design: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the frame and each path with what its items begin with.

    The units of one kind of path are not those of another, even if they share a name.
    """
    paths = design.get("paths")
    objects = [path for path in paths if isinstance(path, Mapping)] if isinstance(paths, list | tuple) else []
    frame = {axis: key for axis, key in design.items() if axis != "paths"}
    return [("", frame), *((f"{path.get('kind')}/", path) for path in objects[:MAX_PATHS])]


def function_of(key: object) -> object:
    """Return what makes a unit equal to another: its key, or of a formula its function."""
    return key.rpartition(FUNCTION_MARK)[2] if isinstance(key, str) and key.startswith(FORMULA_MARK) else key
