"""Genetic operators on designs: mutation, crossover and a design from scratch, in the proportions of Genesys.

Each returns a `Variation`: a new design, never equal to its parent, and a description of the change. All draws come
from the `random.Random` argument, so one seed gives one sequence of designs.
"""

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from operator import mul
from types import MappingProxyType
from typing import NamedTuple

from agents.design.bias import NEUTRAL, Bias
from agents.design.space import draw_design, draw_path, draw_unit, repair_choices, with_frame
from agents.design.tree import KINDS, MAX_MEMORIES, MAX_PATHS, Design, MemoryPath, Path
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis, is_formula
from agents.design.variation import Variation, as_wished, both, crossed, drawn, moved
from bus.vocabulary.design_edits import FORMULA_MARK

MUTATION_SHARE, CROSSOVER_SHARE, SCRATCH_SHARE = 0.80, 0.15, 0.05
"""Shares of the three operators (Genesys, 2025)."""
SECOND_MUTATION_SHARE = 0.3
"""Share of mutations that change a second unit: single steps alone seldom leave a local optimum."""
_MAX_TRIES = 50


class _Move(NamedTuple):
    """One possible mutation; `path` is the index of the path that it changes, None for the frame."""

    axis: str
    key: str
    path: int | None
    weight: float
    """How often it is drawn without a bias."""


def vary(
    parent: Design,
    mates: Sequence[Design],
    rng: random.Random,
    bias: Bias = NEUTRAL,
    preferences: Mapping[str, float] = MappingProxyType({}),
) -> Variation:
    """Return the result of one of the three operators, drawn in their proportions.

    `preferences` are factors on the shares of `mutate`, `crossover` and `scratch`. Without a mate, crossover's share
    goes to mutation.
    """
    operator = drawn_operator(rng, preferences)
    if operator == "scratch":
        return from_scratch(rng, bias)
    others = [mate for mate in mates if mate != parent]
    if operator == "crossover" and others:
        return crossover(parent, rng.choice(others), rng, bias)
    return mutate(parent, rng, bias)


def drawn_operator(rng: random.Random, preferences: Mapping[str, float]) -> str:
    """Return `scratch`, `crossover` or `mutate`, drawn by their shares times the preferences."""
    scratch, crossed, _ = _operator_shares(preferences)
    draw = rng.random()
    return "scratch" if draw < scratch else "crossover" if draw < scratch + crossed else "mutate"


def _operator_shares(preferences: Mapping[str, float]) -> tuple[float, float, float]:
    """Return the shares of scratch, crossover and mutation; they add up to 1."""
    defaults = {"scratch": SCRATCH_SHARE, "crossover": CROSSOVER_SHARE, "mutate": MUTATION_SHARE}
    scratch, crossed, mutated = (share * max(0.0, preferences.get(key, 1.0)) for key, share in defaults.items())
    total = scratch + crossed + mutated
    return (scratch / total, crossed / total, mutated / total) if total > 0 else _operator_shares({})


def from_scratch(rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """Return a design drawn from the whole space."""
    design = draw_design(rng, bias)
    return Variation(design, "scratch", partial(drawn, design))


def mutate(design: Design, rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """Return the design with one unit (sometimes two) replaced, a path added or a path dropped."""
    first = _mutate_once(design, rng, bias)
    if rng.random() >= SECOND_MUTATION_SHARE:
        return first
    second = _mutate_once(first.design, rng, bias)
    if second.design == design:
        return first
    return Variation(second.design, first.operator, partial(both, first, second))


def crossover(a: Design, b: Design, rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """Return a mix of both: each axis of frame and memory from either parent, further paths from either."""
    for _ in range(_MAX_TRIES):
        frame = {axis.name: rng.choice((a, b)).choices[axis.name] for axis in FRAME}
        paths = _cross_paths(a, b, rng, bias)
        frame = repair_choices(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, ("paths",), rng, bias)
        child = with_frame(paths, frame)
        if child not in (a, b):
            return Variation(child, "crossover", partial(crossed, a, b, child))
    return mutate(a, rng, bias)  # the two are too similar for a child that differs from both


def revised(variation: Variation, design: Design, parent: Design | None) -> Variation:
    """Return a variation of the parent whose design was changed further, as a wish may demand."""
    if design == variation.design:
        return variation
    change = partial(drawn, design) if parent is None else partial(as_wished, variation, design, parent)
    return Variation(design, variation.operator, change)


def _mutate_once(design: Design, rng: random.Random, bias: Bias) -> Variation:
    moves, units, weights = _moves(design)
    weights = list(map(mul, weights, bias.of_each(units)))
    for _ in range(_MAX_TRIES):
        move = rng.choices(moves, weights)[0]
        try:
            child = _apply(design, move, rng, bias)
        except ValueError:  # the grammar has no such design: two equal paths, or a rule that can't be kept
            continue
        if child != design:
            return Variation(
                child, f"mutate:{move.axis}", partial(moved, design, child, move.axis, move.key, move.path)
            )
    raise AssertionError("no mutation changes this design")


@lru_cache(maxsize=256)
def _moves(design: Design) -> tuple[tuple[_Move, ...], tuple[str, ...], tuple[float, ...]]:
    """Return every possible mutation, the unit that each brings in ("" for a drop), and its weight by axis and unit."""
    moves = [_Move("path", "drop", index, 0.5) for index, path in enumerate(design.paths) if _droppable(design, path)]
    moves += [_Move("path", kind, None, 0.5) for kind in KINDS if _has_room(design.paths, kind)]
    unused = {"fusion"} if len(design.paths) == 1 else set()
    for axis in FRAME:
        moves += [] if axis.name in unused else _unit_moves(axis, design.choices[axis.name], None)
    for index, path in enumerate(design.paths):
        unused = {"conv_width", "conv_activation"} if path.choices.get("convolution") == "none" else set()
        for axis in (axis for axis in path.axes if axis.is_closed):
            moves += [] if axis.name in unused else _unit_moves(axis, path.choices[axis.name], index)
    units = tuple("" if move.key == "drop" else f"{move.axis}:{move.key}" for move in moves)
    return tuple(moves), units, tuple(move.weight for move in moves)


def _has_room(paths: Sequence[Path], kind: str) -> bool:
    """Return whether a design of these paths may have one more of a kind."""
    most = MAX_MEMORIES if kind == "memory" else 1
    return len(paths) < MAX_PATHS and sum(path.kind == kind for path in paths) < most


def _unit_moves(axis: Axis, present: str, path: int | None) -> list[_Move]:
    """Return a move to every other unit of an axis."""
    return [
        _Move(axis.name, key, path, share)
        for key, share in axis.others[FORMULA_MARK if is_formula(present) else present]
    ]


def _droppable(design: Design, path: Path) -> bool:
    """Return whether the design is valid without a path: at least one memory must remain."""
    return len(design.paths) > 1 and (path.kind != "memory" or sum(p.kind == "memory" for p in design.paths) > 1)


def _apply(design: Design, move: _Move, rng: random.Random, bias: Bias) -> Design:
    """Return the design after the move, with broken rules repaired. Raises ValueError if the grammar has none."""
    paths, keep, frame = list(design.paths), {"paths"}, dict(design.choices)
    if move.axis == "path":
        if move.key == "drop":
            assert move.path is not None
            del paths[move.path]
        else:
            paths.append(draw_path(KINDS[move.key], rng, bias))
            if len(paths) == 2:  # until now the fusion had no effect
                frame["fusion"] = draw_unit(next(axis for axis in FRAME if axis.name == "fusion"), rng, bias)
    elif move.path is None:
        frame[move.axis] = move.key
        keep.add(move.axis)
    else:
        paths[move.path] = with_unit(paths[move.path], move.axis, move.key, rng, bias)
    frame = repair_choices(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, keep, rng, bias)
    return with_frame(tuple(paths), frame)


def with_unit(path: Path, axis: str, key: str, rng: random.Random, bias: Bias = NEUTRAL) -> Path:
    """Return the path with another unit on one axis; other axes change only if a rule demands it.

    Raises ValueError if the rules allow no such path.
    """
    return type(path)(**repair_choices(path.choices | {axis: key}, path.axes, path.rules, (axis,), rng, bias))


def _cross_paths(a: Design, b: Design, rng: random.Random, bias: Bias) -> tuple[Path, ...]:
    """Return a memory with units from a memory of either, and further paths of both with even chances."""
    memory_a, memory_b = (rng.choice([p for p in parent.paths if isinstance(p, MemoryPath)]) for parent in (a, b))
    mixed = {
        axis.name: rng.choice((memory_a, memory_b)).choices[axis.name]
        for axis in MemoryPath.axes
        if axis.is_closed or memory_a.choices[axis.name] != memory_b.choices[axis.name]
    }
    mixed = {**memory_a.choices, **mixed}
    paths: list[Path] = [MemoryPath(**repair_choices(mixed, MemoryPath.axes, MemoryPath.rules, ("update",), rng, bias))]
    for path in (*a.paths, *b.paths):
        if _has_room(paths, path.kind) and path not in (memory_a, memory_b, *paths) and rng.random() < 0.5:
            paths.append(path)
    return tuple(paths)
