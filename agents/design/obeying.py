"""Designs that fulfil a wish: whatever an operator made of a parent is changed until it has what people ask for.

Nothing but the wished axes changes, apart from what the grammar's rules demand. If no design can fulfil the whole wish,
the nearest one that was found is taken.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agents.design.bias import DISFAVOUR_FACTOR, NEUTRAL, Bias
from agents.design.equivalence import normal_form
from agents.design.operators import revised
from agents.design.space import draw_path, draw_unit, repair_choices, with_frame
from agents.design.tree import KINDS, MAX_MEMORIES, MAX_PATHS, Design, MemoryPath, Path
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis, Rule, is_formula
from agents.design.variation import Variation, unit_labels
from bus.vocabulary.events import Wish

_MAX_TRIES = 40


def has_unit(design: Design, unit: str) -> bool:
    """Return whether a design has a unit. Every design has a memory, so `path:memory` stands for a second one."""
    if unit == "path:memory":
        return sum(path.kind == "memory" for path in design.paths) > 1
    return unit in unit_labels(design)


def _has_what_is_avoided(design: Design, wish: Wish) -> bool:
    """Return whether a design has a unit that is ruled out, or a formula where all but the plain unit are."""
    if any(has_unit(design, unit) for unit in wish.avoided):
        return True
    avoided = Bias.of_units(wish.avoided, 0.0)
    owners = [(path.choices, path.axes) for path in design.paths] + [(design.choices, FRAME)]
    return any(_is_ruled_out(axis, choices[axis.name], avoided) for choices, axes in owners for axis in axes)


def _is_ruled_out(axis: Axis, key: str, bias: Bias) -> bool:
    """Return whether a unit has no weight; a formula has none if no unit but the plain one has any."""
    if is_formula(key):
        return axis.is_closed and not any(bias.of(f"{axis.name}:{named}") for named in axis.keys[1:])
    return not bias.of(f"{axis.name}:{key}")


def fulfilled(design: Design, wish: Wish) -> int:
    """Return how many of a wish's demands a design meets: its groups, and that nothing it rules out is there."""
    met = sum(any(has_unit(design, unit) for unit in group) for group in wish.wanted)
    return met + (not _has_what_is_avoided(design, wish))


def fulfils(design: Design, wish: Wish) -> bool:
    """Return whether a design meets every demand of a wish."""
    return fulfilled(design, wish) == len(wish.wanted) + 1


def bias_of_wish(wish: Wish) -> Bias:
    """Return the bias that makes the operators themselves lean towards a wish."""
    wanted = Bias.of_units(unit for group in wish.wanted for unit in group)
    return wanted | Bias.of_units(wish.avoided, DISFAVOUR_FACTOR)


def vary_as_wished(
    vary: Callable[[], Variation],
    parent: Design | None,
    rng: random.Random,
    wish: Wish,
    bias: Bias = NEUTRAL,
    *,
    normal_forms: bool = False,
) -> Variation:
    """Return a variation that fulfils the wish if any can; `vary` draws one of the parent, or one from scratch.

    With `normal_forms`, the design stands for all of its function, unless that form fulfils less of the wish.
    """
    variation = None
    for _ in range(_MAX_TRIES):
        variation = vary()
        design = obey(variation.design, wish, rng, bias)
        plain = normal_form(design) if normal_forms else design
        if fulfilled(plain, wish) >= fulfilled(design, wish):
            design = plain
        if design != parent:
            return revised(variation, design, parent)
    assert variation is not None
    return variation


def obey(design: Design, wish: Wish, rng: random.Random, bias: Bias = NEUTRAL) -> Design:
    """Return the design with what the wish asks for and without what it rules out; the nearest one if none has all."""
    best, demands, strict = design, wish, bias | Bias.of_units(wish.avoided, 0.0)
    for attempt in range(_MAX_TRIES):
        if fulfils(best, wish):
            break
        if attempt >= _MAX_TRIES // 2 and wish.wanted:  # the whole can't be had, so one demand or more gives way
            groups = rng.sample(wish.wanted, rng.randrange(len(wish.wanted)))
            demands = Wish(wanted=tuple(groups), avoided=wish.avoided)
        try:
            candidate = _Plan.drawn(design, demands, rng, strict).carried_out(spare_paths=attempt < 2)
        except ValueError:  # the rules of the grammar have no such design, or nothing is left to draw
            continue
        if fulfilled(candidate, wish) > fulfilled(best, wish):
            best = candidate
    return best


@dataclass
class _Plan:
    """One way to fulfil a wish: a unit for every group."""

    design: Design
    wish: Wish
    rng: random.Random
    bias: Bias
    kinds: set[str] = field(default_factory=set)
    """Kinds of further paths that are wanted."""
    choices: dict[str, str] = field(default_factory=dict)
    """Axis to wanted key."""

    @classmethod
    def drawn(cls, design: Design, wish: Wish, rng: random.Random, bias: Bias) -> "_Plan":
        """Return a plan: of every group a unit that is planned or present already, else one drawn from all."""
        plan, planned = cls(design, wish, rng, bias), set[str]()
        for group in sorted(wish.wanted, key=len):
            present = [unit for unit in group if has_unit(design, unit)]
            unit = rng.choice([unit for unit in group if unit in planned] or present or group)
            planned.add(unit)
            axis, key = unit.split(":")
            if axis == "path":
                plan.kinds.add(key)
            elif plan.choices.setdefault(axis, key) != key:
                raise ValueError(f"{axis} can't be {key} and {plan.choices[axis]}")
        return plan

    def carried_out(self, *, spare_paths: bool) -> Design:
        """Return the design that follows the plan; `spare_paths` keeps paths that it does not need.

        Raises ValueError if the grammar has none.
        """
        paths = [self._path(path, with_choices=path.kind != "memory") for path in self._paths(spare=spare_paths)]
        target = max(
            (index for index, path in enumerate(paths) if path.kind == "memory"),
            key=lambda index: sum(paths[index].choices.get(axis) == key for axis, key in self.choices.items()),
        )
        paths[target] = self._path(paths[target], with_choices=True)
        wanted = {axis: key for axis, key in self.choices.items() if axis in self.design.choices}
        frame = self._repaired(self.design.choices | {"paths": str(len(paths))}, FRAME, FRAME_RULES, wanted, {"paths"})
        return with_frame(tuple(paths), frame)

    def _paths(self, *, spare: bool) -> list[Path]:
        """Return the paths of the design with those that are wanted and without those that are ruled out."""
        needed = {*self.kinds, *(kind for kind in ("window", "convolution") if self._needs(kind))}
        memories = [path for path in self.design.paths if path.kind == "memory"]
        others = [path for path in self.design.paths if path.kind != "memory"]
        second = "memory" in needed or (spare and "path:memory" not in self.wish.avoided)
        paths = memories[: MAX_MEMORIES if second else 1]
        if "memory" in needed and len(paths) < MAX_MEMORIES:
            paths.append(draw_path(MemoryPath, self.rng, self.bias))
        for kind in sorted(needed - {"memory"} - {path.kind for path in others}):
            paths.append(draw_path(KINDS[kind], self.rng, self.bias))
        paths += [path for path in others if path.kind in needed]
        allowed = [path for path in others if path.kind not in needed and self.bias.of(f"path:{path.kind}")]
        paths += allowed if spare else []
        if self.choices.get("fusion", "sum") != "sum" and len(paths) == 1:
            kinds = [kind for kind in KINDS if self.bias.of(f"path:{kind}")]
            paths.append(draw_path(KINDS[self.rng.choice(kinds)], self.rng, self.bias))
        return paths[:MAX_PATHS]

    def _needs(self, kind: str) -> bool:
        """Return whether a choice belongs to this kind of path and to no other part of a design."""
        elsewhere = {axis.name: axis for axis in (*MemoryPath.axes, *FRAME)}
        return any(
            axis.name in self.choices
            and self.choices[axis.name] in axis.keys
            and (axis.name not in elsewhere or self.choices[axis.name] not in elsewhere[axis.name].keys)
            for axis in KINDS[kind].axes
        )

    def _path(self, path: Path, *, with_choices: bool) -> Path:
        """Return the path without units that are ruled out and, `with_choices`, with those of the plan."""
        axes = {axis.name: axis for axis in path.axes}
        own = {axis: key for axis, key in self.choices.items() if axis in axes and key in axes[axis].keys}
        return type(path)(**self._repaired(path.choices, path.axes, path.rules, own if with_choices else {}))

    def _repaired(
        self,
        choices: Mapping[str, str],
        axes: tuple[Axis, ...],
        rules: tuple[Rule, ...],
        wanted: Mapping[str, str],
        fixed: set[str] = frozenset(),  # pyright: ignore[reportArgumentType]
    ) -> dict[str, str]:
        """Return choices with the wanted ones, and other units in place of those that are ruled out.

        The replaced ones stay: a rule that demands a unit which is ruled out changes what triggers it.
        """
        replaced = {
            axis.name: draw_unit(axis, self.rng, self.bias)
            for axis in axes
            if axis.name not in wanted and _is_ruled_out(axis, choices[axis.name], self.bias)
        }
        keep = {*wanted, *replaced, *fixed}
        return repair_choices({**choices, **replaced, **wanted}, axes, rules, keep, self.rng, self.bias)
