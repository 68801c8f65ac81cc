"""Ablations of a design: each unit replaced by the plain one of its axis, and each further path left out.

    for one in ablations(design).kept:
        print(one.unit, name(one.design))

A rule may tie a unit to others. If the plain unit forbids a choice elsewhere, that axis becomes plain too, and the
ablation says so; if the others need the unit, it can't be taken away alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agents.design.tree import Design
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.design.units.unit import Axis, Rule


@dataclass(frozen=True)
class Ablation:
    """A design without one of its units."""

    unit: str
    """What was taken away, as `decay:scalar`; `2/path:window` for the whole second path."""
    design: Design
    also: tuple[str, ...] = ()
    """Other units that went with it, since a rule ties them to it."""


@dataclass(frozen=True)
class Ablations:
    """The ablations of a design."""

    kept: tuple[Ablation, ...]
    impossible: Mapping[str, str]
    """Units that can't be taken away alone, with the reason."""


def ablations(design: Design) -> Ablations:
    """Return an ablation for each unit that is not plain, and for each path if there are several."""
    kept: list[Ablation] = []
    impossible: dict[str, str] = {}
    for unit, index, axis in _units(design):
        try:
            kept.append(_without(design, unit, index, axis))
        except ValueError as error:
            impossible[unit] = str(error)
    return Ablations(tuple(kept), impossible)


def _units(design: Design) -> Iterator[tuple[str, int | None, Axis | None]]:
    """Yield what can be taken away: its label, the index of its path (None for the frame), its axis (None for all)."""
    for index, path in enumerate(design.paths):
        prefix = f"{index + 1}/" if len(design.paths) > 1 else ""
        for axis in path.axes:
            if path.choices[axis.name] != axis.plain:
                yield f"{prefix}{axis.name}:{path.choices[axis.name]}", index, axis
        if prefix:
            yield f"{prefix}path:{path.kind}", index, None
    for axis in FRAME:
        if design.choices[axis.name] != axis.plain:
            yield f"{axis.name}:{design.choices[axis.name]}", None, axis


def _without(design: Design, unit: str, index: int | None, axis: Axis | None) -> Ablation:
    """Return the design without a unit or a path. Raises ValueError if the grammar has no such design."""
    paths, frame, also = list(design.paths), dict(design.choices), []
    if index is None:
        assert axis is not None
        frame[axis.name] = axis.plain
    elif axis is None:
        del paths[index]
    else:
        path = paths[index]
        choices, also = _neutral({**path.choices, axis.name: axis.plain}, path.axes, path.rules, axis.name)
        paths[index] = type(path)(**choices)
    kept = axis.name if axis and index is None else ""
    counted, more = _neutral(frame | {"paths": str(len(paths))}, FRAME, FRAME_RULES, kept)
    del counted["paths"]
    return Ablation(unit, Design(tuple(paths), **counted), (*also, *more))


def _neutral(
    choices: Mapping[str, str], axes: tuple[Axis, ...], rules: tuple[Rule, ...], kept: str
) -> tuple[dict[str, str], list[str]]:
    """Return choices that keep the rules, and the units that became plain for it. Raises ValueError.

    The axis `kept` stays as it is.
    """
    fixed, gone = dict(choices), []
    plain = {axis.name: axis.plain for axis in axes}
    while broken := next((rule for rule in rules if rule.broken_by(fixed)), None):
        wrong = [name for name in broken.wrong_axes(fixed) if name != kept and fixed[name] != plain.get(name)]
        if not wrong:
            raise ValueError(broken.because)
        gone.append(f"{wrong[0]}:{fixed[wrong[0]]}")
        fixed[wrong[0]] = plain[wrong[0]]
    return fixed, gone
