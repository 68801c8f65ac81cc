"""The repair that needs no reading of code: the design's offending unit is replaced and the source rendered anew.

Which unit offends is taken from the traceback's line where there is one, else from the reason code. The result is
always a valid design, so a failure of the grammar's own code costs one unit and not the experiment.
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
"""Units to fall back to where the plain one is not the safest."""

_SUSPECTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    # reason code (its beginning) -> units to give way, the likeliest first, each with its replacement
    "nonfinite": (
        ("read", "plain"),
        ("output_norm", "rms"),
        ("update", "delta"),
        ("norm", "l2"),
        ("feature", "identity"),
    ),
    "not_finite": (
        ("read", "plain"),
        ("output_norm", "rms"),
        ("norm", "l2"),
        ("feature", "identity"),
        ("present", "none"),
    ),
    "anomaly:not_finite": (
        ("read", "plain"),
        ("output_norm", "rms"),
        ("norm", "l2"),
        ("feature", "identity"),
        ("present", "none"),
    ),
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
_HEAVY = ("anomaly:too_slow", "timeout", "limit", "superlinear")


def redesigned(symptom: Symptom, design: Design, rng: random.Random) -> tuple[Design, str]:
    """Another design without the unit that is likely to blame, and what was changed; never the design given."""
    blamed = render(design).unit_at(symptom.line or 0)
    attempts = (lambda: _without_blamed(design, blamed, rng), lambda: _without_suspect(symptom, design, rng))
    for attempt in attempts:
        found = attempt()
        if found is not None and found[0] != design:
            return found
    variation = mutate(design, rng)
    return variation.design, f"no unit stands out, so one was varied: {variation.change}"


def _without_blamed(design: Design, label: str, rng: random.Random) -> tuple[Design, str] | None:
    """Return the design with the unit behind the traceback's line made plain."""
    if not label:
        return None
    place, _, unit = label.rpartition("/")
    axis, key = unit.split(":")
    plain = {a.name: a.plain for owner in (*design.paths,) for a in owner.axes} | {a.name: a.plain for a in FRAME}
    replacement = plain[axis] if plain[axis] != key else _SAFE.get(axis, "")
    found = _replaced(design, axis, replacement, rng, place) if replacement else None
    return (found, f"the error stands in {axis} {key}, now {replacement}") if found else None


def _without_suspect(symptom: Symptom, design: Design, rng: random.Random) -> tuple[Design, str] | None:
    """Return the design without the first suspect of the reason code that it has."""
    if symptom.reason.startswith(_HEAVY) and len(design.paths) > 1:
        frame = repair_choices(
            design.choices | {"paths": str(len(design.paths) - 1)}, FRAME, FRAME_RULES, ("paths",), rng
        )
        kept = _lightest(design.paths)
        return with_frame(kept, frame), f"{symptom.reason}: dropped a path, which saves its whole cost"
    for reason, suspects in _SUSPECTS.items():
        if symptom.reason.startswith(reason):
            for axis, replacement in suspects:
                found = _replaced(design, axis, replacement, rng)
                if found is not None and found != design:
                    return found, f"{symptom.reason}: replaced {axis} by {replacement}"
    return None


def _lightest(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """All paths but one: a second memory goes first, then the last path."""
    memories = [path for path in paths if path.kind == "memory"]
    dropped = memories[1] if len(memories) > 1 else paths[-1]
    return tuple(path for path in paths if path != dropped)


def _replaced(design: Design, axis: str, key: str, rng: random.Random, place: str = "") -> Design | None:
    """Return the design with a unit on an axis, in the named path or the first that has it; None where impossible."""
    try:
        if axis in design.choices:
            frame = repair_choices(
                design.choices | {axis: key, "paths": str(len(design.paths))}, FRAME, FRAME_RULES, (axis, "paths"), rng
            )
            return with_frame(design.paths, frame)
        for number, path in enumerate(design.paths):
            here = _is_at(design, number, place)
            if (
                here
                and axis in path.choices
                and path.choices[axis] != key
                and any(key in a.keys for a in path.axes if a.name == axis)
            ):
                changed = with_unit(path, axis, key, rng)
                return with_frame((*design.paths[:number], changed, *design.paths[number + 1 :]), design.choices)
    except ValueError:  # the grammar has no such design
        return None
    return None


def _is_at(design: Design, number: int, place: str) -> bool:
    """Whether a path is the one of that name in the rendered code (every path, where no name is given)."""
    memories = sum(path.kind == "memory" for path in design.paths)
    names = {"first": 0, "memory": 0, "second": 1}
    kind = {"window": "window", "filter": "convolution"}.get(place, "memory")
    return not place or (
        design.paths[number].kind == kind and (kind != "memory" or memories == 1 or names[place] == number)
    )
