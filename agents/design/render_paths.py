"""The code of one path: its units' templates in order, between the fixed lines of its kind.

A child has most of its paths from its parents, so the code of recent paths is cached.
"""

from functools import lru_cache

from agents.design.templates import (
    MEAN_DIVIDE,
    MEAN_PAD,
    MEMORY_CALL,
    MEMORY_HEADS,
    MEMORY_INIT,
    MEMORY_VALUES,
    TAPS_HEADS,
    TAPS_INIT,
    WINDOW_CALL,
    WINDOW_HEADS,
    Line,
    lines,
)
from agents.design.tree import Path


@lru_cache(maxsize=512)
def path_init(path: Path, path_name: str) -> tuple[Line, ...]:
    """Return the lines of `__init__` that make the path's parameters."""
    slots = _slots(path, path_name)
    own = [line for axis in path.choices for line in _unit_lines(path, path_name, axis, "init", slots)]
    if path.kind == "convolution":
        return (*own, *lines(MEMORY_INIT, slots), *lines(TAPS_INIT, slots, _label(path, path_name, "taps")))
    key_dim = (
        []
        if slots["key_dim"] == "head_dim"
        else lines("{p}key_dim = {key_dim}", slots, _label(path, path_name, slots["key_axis"]))
    )
    return (*key_dim, *own, *lines(MEMORY_INIT, slots))


@lru_cache(maxsize=512)
def path_forward(path: Path, path_name: str) -> tuple[Line, ...]:
    """Return the lines that compute the path, from x [B, T, D] to o [B, T, H, V]."""
    return tuple({"memory": _memory, "window": _window, "convolution": _convolution}[path.kind](path, path_name))


def _memory(path: Path, path_name: str) -> list[Line]:
    """Return the forward pass of a memory: project, convolve, split heads, map, gate, recur, read."""
    slots = _slots(path, path_name) | {"value": "u" if path.choices["read"] == "mean" else "v"}

    def unit(axis: str) -> list[Line]:
        return _unit_lines(path, path_name, axis, "forward", slots)

    read = _label(path, path_name, "read")
    mean = path.choices["read"] == "mean"
    out = [*unit("sharing"), *lines(MEMORY_VALUES, slots), *unit("convolution"), *lines(MEMORY_HEADS, slots)]
    for axis in ("feature", "norm", "position", "value", "decay"):
        out += unit(axis)
    out += lines(MEAN_PAD, slots, read) if mean else []
    out += unit("update")
    written = "u" if mean else slots["written"]
    arguments = ["q", "k", written, *([f"log_decay={slots['log_decay']}"] if "log_decay" in slots else [])]
    arguments += [slots["beta"]] if "beta" in slots else []
    out += lines(MEMORY_CALL, slots | {"arguments": ", ".join(arguments)}, _label(path, path_name, "update"))
    out += lines(MEAN_DIVIDE, slots, read) if mean else []
    return out + unit("read") + unit("present")


def _window(path: Path, path_name: str) -> list[Line]:
    """Return the forward pass of a window: project, split heads, normalise, rotate, attend."""
    slots = _slots(path, path_name) | {"span": path.choices["span"]}
    out = _unit_lines(path, path_name, "keys", "forward", slots) + lines(WINDOW_HEADS, slots)
    for axis in ("norm", "position"):
        out += _unit_lines(path, path_name, axis, "forward", slots)
    return out + lines(WINDOW_CALL, slots, _label(path, path_name, "span"))


def _convolution(path: Path, path_name: str) -> list[Line]:
    """Return the forward pass of a convolution: filter, multiply, split heads."""
    slots = _slots(path, path_name)
    return _unit_lines(path, path_name, "multiply", "forward", slots) + lines(TAPS_HEADS, slots)


def _slots(path: Path, path_name: str) -> dict[str, str]:
    """Return the slots that the path's units fill in each other's templates."""
    slots = {"p": f"{path_name}_" if path_name else "", "key_axis": "key_width", "key_dim": "head_dim{even}"}
    for unit in path.units.values():
        slots |= unit.slots
    if path.kind == "window":
        slots["key_axis"] = "position"
    if path.kind != "convolution":
        slots["key_dim"] = slots["key_dim"].format_map(slots)
    return slots


def _unit_lines(path: Path, path_name: str, axis: str, part: str, slots: dict[str, str]) -> list[Line]:
    """Return the code of one unit; part is "init" or "forward"."""
    text = getattr(path.units[axis], part)
    if slots["key_dim"] == "head_dim":  # a plain name needs no alias
        text = text.replace("{p}key_dim", "head_dim")
        slots = slots | {name: value.replace("{p}key_dim", "head_dim") for name, value in slots.items()}
    return lines(text, slots, _label(path, path_name, axis))


def _label(path: Path, path_name: str, axis: str) -> str:
    return f"{path_name}/{axis}:{path.choices[axis]}" if path_name else f"{axis}:{path.choices[axis]}"
