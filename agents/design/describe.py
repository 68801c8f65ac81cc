"""Descriptions of a design for people: its name, a one-sentence summary, and a tree of its units."""

from functools import lru_cache

from agents.design.tree import Design, Path

_CORES = {
    ("none", "additive"): "linear",
    ("fixed", "additive"): "retention",
    ("scalar", "step"): "ssd",
    ("channel", "additive"): "gated-linear",
    ("channel", "complement"): "complement",
    ("none", "delta"): "delta",
    ("none", "delta_wide"): "signed-delta",
    ("scalar", "delta"): "gated-delta",
    ("scalar", "delta_wide"): "gated-signed-delta",
    ("channel", "delta"): "channel-delta",
    ("channel_step", "delta"): "kimi-delta",
}
"""Pairs of decay and update that have a name in the field."""


def name(design: Design) -> str:
    """Return a short readable name such as `gated-delta·conv4·silu-gate`; two designs may share one."""
    max_tags = 9 if len(design.paths) == 1 else 1  # a name need not list every unit
    paths = "+".join(path_name(path, max_tags) for path in design.paths)
    fusion = design.units["fusion"].tag if len(design.paths) > 1 else ""
    frame = [unit.tag for axis, unit in design.units.items() if axis != "fusion"]
    return "·".join([paths, *(tag for tag in (fusion, *frame) if tag)])


@lru_cache(maxsize=1024)
def path_name(path: Path, max_tags: int = 9) -> str:
    """Return the name of one path: its core, then at most `max_tags` tags of its other units."""
    if path.kind == "memory":
        core, tags = _core(path), _memory_tags(path)
    else:
        core, tags = path.kind, [unit.tag for unit in path.units.values() if unit.tag]
    return "·".join([core, *tags[:max_tags]])


def _core(path: Path) -> str:
    """Return the field's name for a memory's decay and update, or else their tags."""
    decay, update = path.units["decay"], path.units["update"]
    known = _CORES.get((decay.key, update.key))
    return known or "-".join(unit.tag for unit in (decay, update) if unit.tag) or "linear"


def _memory_tags(path: Path) -> list[str]:
    """Return the tags of a memory's other units, without the unit keys that a delta rule implies."""
    tags = []
    for axis, unit in path.units.items():
        is_implied = axis == "norm" and unit.key == "l2" and path.choices["update"].startswith("delta")
        if unit.tag and axis not in ("decay", "update", "conv_width") and not is_implied:
            tags.append(unit.tag + path.choices["conv_width"] if axis == "convolution" else unit.tag)
    return tags


def class_name(design: Design) -> str:
    """Return a class name made of the paths' cores, such as `GatedDeltaWindowMixer`."""
    cores = [_core(path) if path.kind == "memory" else path.kind for path in design.paths]
    return "".join(word.capitalize() for core in cores for word in core.split("-")) + "Mixer"


def summary(design: Design) -> str:
    """Return one sentence about the design, for the docstring of its source."""
    paths = [_path_summary(path) for path in design.paths]
    if len(paths) == 1:
        return f"{paths[0]}."
    return f"{', '.join(paths[:-1])} and {paths[-1]}, joined by {design.units['fusion'].gist}."


def _path_summary(path: Path) -> str:
    units = path.units
    if path.kind == "memory":
        return f"a memory with {units['decay'].gist.split(':')[0]} and {units['update'].gist}"
    if path.kind == "window":
        return f"attention in a window of {units['span'].gist}"
    return f"a causal convolution of {units['taps'].gist}"


def tree(design: Design) -> str:
    """Return the design as an indented tree, one unit a line."""
    lines = [name(design), *(f"├─ {axis}: {unit.gist}" for axis, unit in design.units.items())]
    for number, path in enumerate(design.paths, 1):
        branch, stem = ("└", " ") if number == len(design.paths) else ("├", "│")
        lines.append(f"{branch}─ path {number}: {path.kind}")
        units = list(path.units.items())
        lines += [f"{stem}  {'└' if axis == units[-1][0] else '├'}─ {axis}: {unit.gist}" for axis, unit in units]
    return "\n".join(lines)
