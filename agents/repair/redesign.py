"""Repair by the grammar: replace the unit that is to blame and render the design again, without reading code.

The traceback's line names the unit if there is one, else the reason code suggests it. The result is always a valid
design, so a failure of the grammar's own code costs one unit and not the experiment.
"""

import random
from collections.abc import Mapping

from agents.design import Design, mutate, render
from agents.design.operators import with_unit
from agents.design.space import repair_choices, with_frame
from agents.design.tree import Path
from agents.design.units.framing import FRAME, FRAME_RULES
from agents.repair.symptom import Symptom

_SAFE: Mapping[str, str] = {"output_norm": "rms", "norm": "l2", "convolution": "qkv"}
"""Units to fall back to if the plain one is to blame itself."""

_NOT_FINITE = (
    ("read", "plain"),
    ("output_norm", "rms"),
    ("norm", "l2"),
    ("feature", "identity"),
    ("present", "none"),
)
_SUSPECTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "nonfinite": (
        ("read", "plain"),
        ("output_norm", "rms"),
        ("update", "delta"),
        ("norm", "l2"),
        ("feature", "identity"),
    ),
    "not_finite": _NOT_FINITE,
    "anomaly:not_finite": _NOT_FINITE,
    "anomaly:diverged": (
        ("output_norm", "rms"),
        ("read", "plain"),
        ("update", "delta"),
        ("norm", "l2"),
        ("skip", "none"),
    ),
    "anomaly:stalled": (
        ("decay", "none"),
        ("output_norm", "rms"),
        ("convolution", "qkv"),
        ("update", "delta"),
        ("norm", "l2"),
    ),
    "anomaly:too_slow": (("inner", "equal"), ("key_width", "equal"), ("update", "additive"), ("decay", "sigmoid")),
    "timeout": (("inner", "equal"), ("key_width", "half"), ("update", "additive"), ("decay", "sigmoid")),
    "limit": (("inner", "equal"), ("key_width", "half"), ("decay", "sigmoid"), ("update", "additive")),
    "superlinear": (("span", "8"), ("taps", "8"), ("update", "additive")),
    "no_gradient": (("present", "none"), ("skip", "none"), ("norm", "none"), ("feature", "identity")),
    "size": (("inner", "equal"), ("key_width", "half"), ("gate", "low_rank"), ("sharing", "single")),
}
"""Beginning of a reason code to the axes that may be to blame, the likeliest first, each with its replacement."""
_HEAVY = ("anomaly:too_slow", "timeout", "limit", "superlinear")


def redesign(symptom: Symptom, design: Design, rng: random.Random) -> tuple[Design, str]:
    """Return a different design, without the unit that is likely to blame, and a description of the change."""
    blamed = render(design).unit_at(symptom.line or 0)
    attempts = (lambda: _without_blamed(design, blamed, rng), lambda: _without_suspect(symptom, design, rng))
    for attempt in attempts:
        result = attempt()
        if result is not None and result[0] != design:
            return result
    variation = mutate(design, rng)
    return variation.design, f"no unit stands out, so one was varied: {variation.change}"


def _without_blamed(design: Design, label: str, rng: random.Random) -> tuple[Design, str] | None:
    """Return the design with the plain unit in place of the one behind the traceback's line."""
    if not label:
        return None
    path_name, _, unit = label.rpartition("/")
    axis, key = unit.split(":")
    plain = {a.name: a.plain for path in design.paths for a in path.axes} | {a.name: a.plain for a in FRAME}
    replacement = plain[axis] if plain[axis] != key else _SAFE.get(axis, "")
    child = _with_replacement(design, axis, replacement, rng, path_name) if replacement else None
    return (child, f"the error stands in {axis} {key}, now {replacement}") if child else None


def _without_suspect(symptom: Symptom, design: Design, rng: random.Random) -> tuple[Design, str] | None:
    """Return the design with the first suspect of the reason code replaced; a costly design loses a path first."""
    if symptom.reason.startswith(_HEAVY) and len(design.paths) > 1:
        frame = repair_choices(
            design.choices | {"paths": str(len(design.paths) - 1)}, FRAME, FRAME_RULES, ("paths",), rng
        )
        child = with_frame(_lightest(design.paths), frame)
        return child, f"{symptom.reason}: dropped a path, which saves its whole cost"
    for reason, suspects in _SUSPECTS.items():
        if symptom.reason.startswith(reason):
            for axis, replacement in suspects:
                child = _with_replacement(design, axis, replacement, rng)
                if child is not None and child != design:
                    return child, f"{symptom.reason}: replaced {axis} by {replacement}"
    return None


def _lightest(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return all paths except one: a second memory is dropped first, then the last path."""
    memories = [path for path in paths if path.kind == "memory"]
    dropped = memories[1] if len(memories) > 1 else paths[-1]
    return tuple(path for path in paths if path != dropped)


def _with_replacement(design: Design, axis: str, key: str, rng: random.Random, path_name: str = "") -> Design | None:
    """Return the design with a unit on an axis, in the named path or the first that can; None if impossible."""
    try:
        if axis in design.choices:
            frame = repair_choices(
                design.choices | {axis: key, "paths": str(len(design.paths))}, FRAME, FRAME_RULES, (axis, "paths"), rng
            )
            return with_frame(design.paths, frame)
        for number, path in enumerate(design.paths):
            if _is_called(design, number, path_name) and _can_change(path, axis, key):
                changed = with_unit(path, axis, key, rng)
                return with_frame((*design.paths[:number], changed, *design.paths[number + 1 :]), design.choices)
    except ValueError:  # the grammar has no such design
        return None
    return None


def _can_change(path: Path, axis: str, key: str) -> bool:
    """Return whether a path has an axis with that unit, and has chosen another one."""
    return path.choices.get(axis, key) != key and any(key in a.keys for a in path.axes if a.name == axis)


def _is_called(design: Design, number: int, path_name: str) -> bool:
    """Return whether a path has that name in the rendered code; an empty name fits every path."""
    memories = sum(path.kind == "memory" for path in design.paths)
    names = {"first": 0, "memory": 0, "second": 1}
    kind = {"window": "window", "filter": "convolution"}.get(path_name, "memory")
    return not path_name or (
        design.paths[number].kind == kind and (kind != "memory" or memories == 1 or names[path_name] == number)
    )
