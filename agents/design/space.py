"""The space of designs: their number, the repair of choices that break rules, and random draws.

The count is exact without listing every design: the numbers of units on independent axes multiply, and only axes that
a rule ties together are enumerated. No design is counted twice, because designs have one canonical form.
"""

import random
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from math import comb, prod

from agents.design.bias import NEUTRAL, Bias
from agents.design.tree import KINDS, MAX_MEMORIES, MAX_PATHS, ConvolutionPath, Design, MemoryPath, Path, WindowPath
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis, Rule

_MAX_REPAIRS = 20


def count_designs() -> int:
    """Return the exact number of distinct valid designs."""
    memories, windows, convolutions = (count_paths(KINDS[kind]) for kind in ("memory", "window", "convolution"))
    total = 0
    for m, w, c in product(range(1, MAX_MEMORIES + 1), (0, 1), (0, 1)):
        if m + w + c <= MAX_PATHS:
            total += comb(memories, m) * windows**w * convolutions**c * count_frames(m + w + c)
    return total


def count_paths(kind: type[Path]) -> int:
    """Return the exact number of valid paths of a kind."""
    return count_choices(kind.axes, kind.rules)


def count_frames(paths: int) -> int:
    """Return the exact number of valid frames around so many paths."""
    return sum(
        not any(rule.broken_by(choices) for rule in FRAME_RULES)
        for choices in _all_choices(FRAME, {"paths": str(paths)})
    )


def count_choices(axes: tuple[Axis, ...], rules: tuple[Rule, ...]) -> int:
    """Return the number of ways to choose a unit on every axis without breaking a rule."""
    return prod(
        sum(not any(rule.broken_by(choices) for rule in tied) for choices in _all_choices(group))
        for group, tied in _components(axes, rules)
    )


def repair_choices(
    choices: Mapping[str, str], axes: tuple[Axis, ...], rules: tuple[Rule, ...], keep: Collection[str],
    rng: random.Random, bias: Bias = NEUTRAL,
) -> dict[str, str]:  # fmt: skip
    """Return choices that break no rule, with the axes in `keep` unchanged.

    If the axes that a broken rule restricts may change, units that it allows are drawn for them. Otherwise the axis
    that triggers the rule changes. Raises ValueError if all of these axes are in `keep`.
    """
    repaired, fixed = dict(choices), set(keep)
    for _ in range(_MAX_REPAIRS):
        broken = next((rule for rule in rules if rule.broken_by(repaired)), None)
        if broken is None:
            return repaired
        wrong, by_name = broken.wrong_axes(repaired), {axis.name: axis for axis in axes}
        if fixed.isdisjoint(wrong):
            changes = {name: broken.then[name] for name in wrong}
        else:
            trigger = next((name for name in broken.when if name not in keep), None)
            if trigger is None:
                raise ValueError(f"cannot keep {', '.join(sorted(keep))}: {broken.because}")
            changes = {trigger: set(by_name[trigger].keys) - broken.when[trigger]}
        for name, allowed in changes.items():
            repaired[name] = draw_unit(by_name[name], rng, bias, allowed)
            fixed.add(name)
    raise AssertionError(f"rules contradict each other around {sorted(keep)}")


def draw_unit(axis: Axis, rng: random.Random, bias: Bias = NEUTRAL, allowed: Iterable[str] | None = None) -> str:
    """Return a unit's key, drawn by weight and bias from all units or from the allowed ones."""
    within = axis.keys if allowed is None else set(allowed)
    units = [unit for unit in axis.units if unit.key in within]
    return rng.choices(units, [unit.weight * bias.of(f"{axis.name}:{unit.key}") for unit in units])[0].key


def draw_path(kind: type[Path], rng: random.Random, bias: Bias = NEUTRAL) -> Path:
    """Return a valid path: draw a unit for every axis, then repair broken rules."""
    drawn = {axis.name: draw_unit(axis, rng, bias) if axis.is_closed else axis.plain for axis in kind.axes}
    decisive = ("update",) if kind is MemoryPath else ()
    return kind(**repair_choices(drawn, kind.axes, kind.rules, decisive, rng, bias))


def draw_design(rng: random.Random, bias: Bias = NEUTRAL) -> Design:
    """Return a valid design, usually with one path and seldom with three."""
    paths = [draw_path(MemoryPath, rng, bias)]
    spare = [WindowPath, ConvolutionPath, MemoryPath]
    for chance in (0.4, 0.2):
        if spare and rng.random() < chance * max(bias.of(f"path:{kind.kind}") for kind in spare):
            kind = rng.choices(spare, [bias.of(f"path:{k.kind}") for k in spare])[0]
            spare.remove(kind)
            path = draw_path(kind, rng, bias)
            paths += [path] if path not in paths else []
    frame = {axis.name: draw_unit(axis, rng, bias) for axis in FRAME} | {"paths": str(len(paths))}
    frame = repair_choices(frame, FRAME, FRAME_RULES, ("paths",), rng, bias)
    return with_frame(tuple(paths), frame)


def with_frame(paths: tuple[Path, ...], frame: Mapping[str, str]) -> Design:
    """Return the design of these paths in this frame (axis to key)."""
    return Design(paths, **{axis.name: frame[axis.name] for axis in FRAME})


def _components(axes: tuple[Axis, ...], rules: tuple[Rule, ...]) -> list[tuple[list[Axis], list[Rule]]]:
    """Return the axes in groups that no rule ties together, each with its rules."""
    groups: list[set[str]] = [{axis.name} for axis in axes]
    for rule in rules:
        tied = [group for group in groups if group & rule.axes]
        groups = [group for group in groups if not group & rule.axes] + [set().union(*tied)]
    return [
        ([axis for axis in axes if axis.name in group], [rule for rule in rules if rule.axes <= group])
        for group in groups
    ]


def _all_choices(axes: Iterable[Axis], fixed: Mapping[str, str] | None = None) -> Iterable[dict[str, str]]:
    """Yield every way to choose a unit on each axis, together with the fixed choices."""
    axes = list(axes)
    for keys in product(*(axis.keys for axis in axes)):
        yield dict(fixed or {}) | {axis.name: key for axis, key in zip(axes, keys, strict=True)}
