"""Genetic operators on designs: mutate, cross over, start afresh; in the proportions that Genesys found to work.

Each returns a `Variation`: the new design, which never equals what it came from, and what was done in words. All draws
come from the `random.Random` given, so that one seed gives one sequence of designs.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agents.design.bias import NEUTRAL, Bias
from agents.design.describe import name
from agents.design.space import draw_design, draw_path, draw_unit, repair_choices, with_frame
from agents.design.tree import KINDS, MAX_MEMORIES, MAX_PATHS, Design, MemoryPath, Path
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis

MUTATION_SHARE, CROSSOVER_SHARE, SCRATCH_SHARE = 0.80, 0.15, 0.05
"""Shares of the three operators (Genesys, 2025)."""
SECOND_MUTATION_SHARE = 0.3
"""Chance that a mutation changes a second unit: single steps alone seldom leave a local optimum."""
_TRIES = 50


@dataclass(frozen=True)
class Variation:
    """A new design and how it came about."""

    design: Design
    """The design."""
    operator: str
    """`mutate:<axis>`, `crossover` or `scratch`."""
    change: str
    """What was changed, for people."""
    units: tuple[str, ...] = ()
    """The units that are new in it, as `decay:scalar`, the decisive one first."""


class _Move(NamedTuple):
    """One possible mutation; `path` is the place of the path it concerns, None for the frame."""

    axis: str
    key: str
    path: int | None
    weight: float


def vary(parent: Design, mates: Sequence[Design], rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """One of the three operators, in their proportions; without a mate, crossover's share goes to mutation."""
    draw = rng.random()
    if draw < SCRATCH_SHARE:
        return from_scratch(rng, bias)
    others = [mate for mate in mates if mate != parent]
    if draw < SCRATCH_SHARE + CROSSOVER_SHARE and others:
        return crossover(parent, rng.choice(others), rng, bias)
    return mutate(parent, rng, bias)


def from_scratch(rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """Return a design drawn from the whole space."""
    design = draw_design(rng, bias)
    return Variation(design, "scratch", f"drawn afresh: {name(design)}", _by_rarity(design))


def mutate(design: Design, rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """One unit (at times two) replaced, a path added or a path dropped."""
    first = _mutate_once(design, rng, bias)
    if rng.random() >= SECOND_MUTATION_SHARE:
        return first
    second = _mutate_once(first.design, rng, bias)
    if second.design == design:
        return first
    present = unit_labels(second.design)
    units = tuple(
        unit for unit in dict.fromkeys((*first.units, *second.units)) if unit in present or unit == "path:drop"
    )
    return Variation(second.design, first.operator, f"{first.change}; {second.change}", units)


def crossover(a: Design, b: Design, rng: random.Random, bias: Bias = NEUTRAL) -> Variation:
    """Units of b in a: each axis of frame and memories from either, further paths from either."""
    for _ in range(_TRIES):
        frame = {axis.name: rng.choice((a, b)).choices[axis.name] for axis in FRAME}
        paths = _crossed_paths(a, b, rng, bias)
        frame = repair_choices(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, ("paths",), rng, bias)
        child = with_frame(paths, frame)
        if child not in (a, b):
            units = _new_units(a, child)
            taken = ", ".join(units) if units else "fewer paths"
            return Variation(child, "crossover", f"took {taken} towards {name(b)}", units)
    return mutate(a, rng, bias)  # the two are too near to have a child of their own


def _mutate_once(design: Design, rng: random.Random, bias: Bias) -> Variation:
    """One move."""
    moves = _moves(design, bias)
    for _ in range(_TRIES):
        move = rng.choices(moves, [move.weight for move in moves])[0]
        try:
            child = _applied(design, move, rng, bias)
        except ValueError:  # the grammar has no such design: two equal paths, or a rule that cannot be mended
            continue
        if child != design:
            units = (
                f"{move.axis}:{move.key}",
                *(u for u in _new_units(design, child) if u != f"{move.axis}:{move.key}"),
            )
            return Variation(child, f"mutate:{move.axis}", _difference(design, child, move), units)
    raise AssertionError("no mutation changes this design")


def _moves(design: Design, bias: Bias) -> list[_Move]:
    """Everything a mutation may do, weighted by axis, unit and bias."""
    out = [_Move("path", "drop", place, 0.5) for place, path in enumerate(design.paths) if _droppable(design, path)]
    if len(design.paths) < MAX_PATHS:
        for kind in KINDS.values():
            room = sum(path.kind == kind.kind for path in design.paths) < (MAX_MEMORIES if kind is MemoryPath else 1)
            out += [_Move("path", kind.kind, None, 0.5 * bias.of(f"path:{kind.kind}"))] if room else []
    idle = {"fusion"} if len(design.paths) == 1 else set()
    for axis in FRAME:
        out += [] if axis.name in idle else _unit_moves(axis, design.choices[axis.name], None, bias)
    for place, path in enumerate(design.paths):
        idle = {"conv_width", "conv_activation"} if path.choices.get("convolution") == "none" else set()
        for axis in path.axes:
            out += [] if axis.name in idle else _unit_moves(axis, path.choices[axis.name], place, bias)
    return out


def _unit_moves(axis: Axis, present: str, place: int | None, bias: Bias) -> list[_Move]:
    """Every other unit of an axis."""
    others = [unit for unit in axis.units if unit.key != present]
    total = sum(unit.weight for unit in others)
    return [
        _Move(axis.name, u.key, place, axis.weight * u.weight / total * bias.of(f"{axis.name}:{u.key}")) for u in others
    ]


def _droppable(design: Design, path: Path) -> bool:
    """Whether the design has another memory to live on."""
    return len(design.paths) > 1 and (path.kind != "memory" or sum(p.kind == "memory" for p in design.paths) > 1)


def _applied(design: Design, move: _Move, rng: random.Random, bias: Bias) -> Design:
    """Return the design after the move, mended; ValueError where the grammar has none."""
    paths, keep, frame = list(design.paths), {"paths"}, dict(design.choices)
    if move.axis == "path":
        if move.key == "drop":
            assert move.path is not None
            del paths[move.path]
        else:
            paths.append(draw_path(KINDS[move.key], rng, bias))
            if len(paths) == 2:  # a single path's fusion says nothing
                frame["fusion"] = draw_unit(next(axis for axis in FRAME if axis.name == "fusion"), rng, bias)
    elif move.path is None:
        frame[move.axis] = move.key
        keep.add(move.axis)
    else:
        paths[move.path] = with_unit(paths[move.path], move.axis, move.key, rng, bias)
    frame = repair_choices(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, keep, rng, bias)
    return with_frame(tuple(paths), frame)


def with_unit(path: Path, axis: str, key: str, rng: random.Random, bias: Bias = NEUTRAL) -> Path:
    """Return the path with another unit on one axis; other axes change only where a rule demands it."""
    return type(path)(**repair_choices(path.choices | {axis: key}, path.axes, path.rules, (axis,), rng, bias))


def _crossed_paths(a: Design, b: Design, rng: random.Random, bias: Bias) -> tuple[Path, ...]:
    """Return a memory whose units come from a memory of either, and each one's further paths with even chances."""
    mine, theirs = (rng.choice([p for p in parent.paths if isinstance(p, MemoryPath)]) for parent in (a, b))
    mixed = {axis.name: rng.choice((mine, theirs)).choices[axis.name] for axis in MemoryPath.axes}
    paths: list[Path] = [MemoryPath(**repair_choices(mixed, MemoryPath.axes, MemoryPath.rules, ("update",), rng, bias))]
    for path in (*a.paths, *b.paths):
        kinds = [p.kind for p in paths]
        room = kinds.count(path.kind) < (MAX_MEMORIES if path.kind == "memory" else 1) and len(paths) < MAX_PATHS
        if room and path not in (mine, theirs, *paths) and rng.random() < 0.5:
            paths.append(path)
    return tuple(paths)


def _new_units(old: Design, new: Design) -> tuple[str, ...]:
    """Units of the new design that the old one has nowhere."""
    had = set(unit_labels(old))
    return tuple(label for label in _by_rarity(new) if label not in had)


def unit_labels(design: Design) -> tuple[str, ...]:
    """All units of a design as `axis:key`, its paths as `path:kind`."""
    labels = [f"path:{path.kind}" for path in design.paths]
    for owner in (*design.paths, design):
        labels += [f"{axis}:{key}" for axis, key in owner.choices.items()]
    return tuple(dict.fromkeys(labels))


def _by_rarity(design: Design) -> tuple[str, ...]:
    """All units that are not plain, the least common first: they set the design apart."""
    weighed: dict[str, float] = {}
    for owner in (*design.paths, design):
        axes = {axis.name: axis for axis in (owner.axes if isinstance(owner, Path) else FRAME)}
        for axis, key in owner.choices.items():
            if key != axes[axis].plain:
                weighed.setdefault(f"{axis}:{key}", axes[axis][key].weight / axes[axis].weight)
    return tuple(sorted(weighed, key=lambda label: weighed[label]))


def _difference(old: Design, new: Design, move: _Move) -> str:
    """Return the move in words, with what had to follow."""
    if move.axis == "path":
        return (
            f"dropped the {old.paths[move.path or 0].kind} path" if move.key == "drop" else f"added a {move.key} path"
        )
    before = (old if move.path is None else old.paths[move.path]).units[move.axis].gist
    changed = {label.split(":")[0]: label.split(":")[1] for label in _new_units(old, new)}
    axis = next(a for owner in new.paths for a in (*owner.axes, *FRAME) if a.name == move.axis and move.key in a.keys)
    follow = [f"{axis} {key}" for axis, key in changed.items() if axis != move.axis]
    return f"{move.axis}: {axis[move.key].gist} instead of {before}" + (
        f" (hence {', '.join(follow)})" if follow else ""
    )
