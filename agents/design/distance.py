"""How far apart two designs are: the fewest edits between them, as a share of the largest design.

A design is taken as sets of items: one set for the frame and one for each path. An item is a unit, or a path's kind.
Replacing, adding or removing an item is one edit. Paths are paired so that the edits are fewest. A path without a
partner costs all of its items.

    distance(BASELINES["gla"].design, BASELINES["retnet"].design)

This is a metric. The triangle inequality holds for sets of items, because an item of A that C lacks is either lacking
in B, or in B and lacking in C. It holds for designs, because a pairing of a with b and one of b with c make a pairing
of a with c that costs no more than both, and the best pairing costs no more than that.
"""

from functools import lru_cache
from itertools import permutations

from agents.design.tree import MAX_MEMORIES, MAX_PATHS, ConvolutionPath, Design, MemoryPath, Path, WindowPath
from agents.design.units.framing import FRAME

_Items = frozenset[str]

_MEMORY_ITEMS, _WINDOW_ITEMS, _CONVOLUTION_ITEMS = (
    1 + len(kind.axes) for kind in (MemoryPath, WindowPath, ConvolutionPath)
)
MAX_ITEMS = (
    len(FRAME) + MAX_MEMORIES * _MEMORY_ITEMS + (MAX_PATHS - MAX_MEMORIES) * max(_WINDOW_ITEMS, _CONVOLUTION_ITEMS)
)
"""Items of the largest design; no two designs are more edits apart."""


def distance(a: Design, b: Design) -> float:
    """Return the distance of two designs in [0, 1]: 0 only if they are equal, 1 / MAX_ITEMS if one unit differs."""
    (frame_a, paths_a), (frame_b, paths_b) = _items(a), _items(b)
    path_edits = min(sum(map(_edits, paths_a, pairing)) for pairing in permutations(paths_b))
    return (_edits(frame_a, frame_b) + path_edits) / MAX_ITEMS


def _edits(a: _Items, b: _Items) -> int:
    """Return how many items to replace, add or remove to turn one set into the other."""
    return max(len(a), len(b)) - len(a & b)


@lru_cache(maxsize=4096)
def _items(design: Design) -> tuple[_Items, tuple[_Items, ...]]:
    """Return the items of the frame and of MAX_PATHS paths; a path that the design lacks has no items."""
    frame = frozenset(f"{axis}:{key}" for axis, key in design.choices.items())
    lacking = [frozenset[str]()] * (MAX_PATHS - len(design.paths))
    return frame, (*map(_path_items, design.paths), *lacking)


def _path_items(path: Path) -> _Items:
    """Return a path's kind and its units, which are not the units of another kind even if they share a name."""
    return frozenset((path.kind, *(f"{path.kind}/{axis}:{key}" for axis, key in path.choices.items())))
