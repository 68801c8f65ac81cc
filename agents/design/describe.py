"""How a design is called, summed up in a sentence, and drawn as a tree for people."""

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
"""Decays and updates that together have a name in the field."""


def name(design: Design) -> str:
    """Return a short readable name such as `gated-delta·conv4·silu-gate`; two designs may share one."""
    most_tags = 9 if len(design.paths) == 1 else 1  # a name is no inventory
    paths = [path_name(path, most_tags) for path in design.paths]
    joint = design.units["fusion"].tag if len(paths) > 1 else ""
    frame = [unit.tag for axis, unit in design.units.items() if axis != "fusion" and unit.tag]
    return "·".join(["+".join(paths), *([joint] if joint else []), *frame])


@lru_cache(maxsize=1024)
def path_name(path: Path, most_tags: int = 9) -> str:
    """Return the name of one path: its core, then at most so many words on what sets it apart."""
    if path.kind == "memory":
        parts = [_core(path), *_tags(path)[:most_tags]]
    else:
        parts = [path.kind, *[unit.tag for unit in path.units.values() if unit.tag][:most_tags]]
    return "·".join(parts)


def _core(path: Path) -> str:
    """Return what a memory does with its state, in the field's words where it has some."""
    decay, update = path.units["decay"], path.units["update"]
    known = _CORES.get((decay.key, update.key))
    return known or "-".join(unit.tag for unit in (decay, update) if unit.tag) or "linear"


def _tags(path: Path) -> list[str]:
    """Tags of a memory's other units; unit keys go unsaid where the delta rule takes them for granted."""
    tags = []
    for axis, unit in path.units.items():
        granted = axis == "norm" and unit.key == "l2" and path.choices["update"].startswith("delta")
        if unit.tag and axis not in ("decay", "update", "conv_width") and not granted:
            tags.append(unit.tag + path.choices["conv_width"] if axis == "convolution" else unit.tag)
    return tags


def class_name(design: Design) -> str:
    """Return a class name made of the paths' cores, such as `GatedDeltaWindow`."""
    cores = [_core(path) if path.kind == "memory" else path.kind for path in design.paths]
    return "".join(word.capitalize() for core in cores for word in core.split("-")) + "Mixer"


def summary(design: Design) -> str:
    """One sentence for the head of the source."""
    paths = [_path_summary(path) for path in design.paths]
    if len(paths) == 1:
        return f"{paths[0]}."
    return f"{', '.join(paths[:-1])} and {paths[-1]}, joined by {design.units['fusion'].gist}."


def _path_summary(path: Path) -> str:
    """Return a path as a noun phrase."""
    units = path.units
    if path.kind == "memory":
        return f"a memory with {units['decay'].gist.split(':')[0]} and {units['update'].gist}"
    if path.kind == "window":
        return f"attention in a window of {units['span'].gist}"
    return f"a causal convolution of {units['taps'].gist}"


def tree(design: Design) -> str:
    """Return the design as an indented tree, one unit a line."""
    out = [name(design)]
    for axis, unit in design.units.items():
        out.append(f"├─ {axis}: {unit.gist}")
    for number, path in enumerate(design.paths, 1):
        last = number == len(design.paths)
        out.append(f"{'└' if last else '├'}─ path {number}: {path.kind}")
        units = list(path.units.items())
        stem = " " if last else "│"
        out += [f"{stem}  {'└' if axis == units[-1][0] else '├'}─ {axis}: {unit.gist}" for axis, unit in units]
    return "\n".join(out)
