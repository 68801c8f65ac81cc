"""The recurrence of a design as formulas, for the docstring of its source."""

from functools import lru_cache
from textwrap import fill

from agents.design.tree import Design, Path


def formula_lines(design: Design, names: list[str]) -> list[str]:
    """Return the lines that state what every path computes per head, and how the paths are joined."""
    blocks: list[str] = []
    for path, path_name in zip(design.paths, names, strict=True):
        head = f"The {path_name} path, per head:" if path_name else "Per head:"
        blocks += [head, *(_wrap(line, "    ") for line in _path_formula(path)), ""]
    if len(design.paths) > 1:
        blocks += [_wrap(f"Joined by {design.units['fusion'].gist}: o_t = {_fusion_formula(design, names)}."), ""]
    return "\n".join([*blocks, _wrap(_output_sentence(design))]).splitlines()


@lru_cache(maxsize=4096)
def _wrap(text: str, indent: str = "") -> str:
    """Return the text in lines of at most 110 characters."""
    return fill(text, 110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _path_formula(path: Path) -> list[str]:
    """Return the formulas of one path at step t."""
    if path.kind == "memory":
        return _memory_formula(path)
    if path.kind == "window":
        norm = "q, k RMS-normalised; " if path.choices["norm"] == "rms" else ""
        return [
            f"o_t = Σ_s softmax_s(q_tᵀ k_s / √K) v_s over t − {path.choices['span']} < s ≤ t",
            f"{norm}{_position(path)}",
        ]
    return [_convolution_formula(path)]


def _convolution_formula(path: Path) -> str:
    taps, activation, multiply = (path.choices[axis] for axis in ("taps", "activation", "multiply"))
    product = "Σ_i w_i ⊙ " + ("k_{t−i} ⊙ v_{t−i}" if multiply == "both" else "v_{t−i}")
    filtered = f"silu({product})" if activation == "silu" else product
    return f"o_t = {'q_t ⊙ ' if multiply != 'none' else ''}{filtered} over 0 ≤ i < {taps}"


def _memory_formula(path: Path) -> list[str]:
    """Return the write, the read, the gates and the preparation of a memory with state S [K, V]."""
    slots: dict[str, str] = {}
    for unit in path.units.values():
        slots |= unit.slots
    decayed = slots.get("forget", "S")
    operand = f"({decayed})" if " " in decayed else decayed
    write = slots["write"].replace("({S})", operand).replace("{S}", decayed)
    scale = " / √K" if path.choices["read"] == "plain" else ""
    read = f"{slots['reading']}{scale}{slots.get('extra', '')}"
    gates = "; ".join(text for text in (slots.get("where", ""), slots["gates"]) if text)
    return [write, read, *([gates] if gates else []), _preparation(path)]


def _preparation(path: Path) -> str:
    """Return how queries and keys are made, in a phrase."""
    units = path.units
    steps = [units["sharing"].gist]
    if path.choices["convolution"] != "none":
        steps.append(f"{units['convolution'].gist} ({units['conv_width'].gist}, {units['conv_activation'].gist})")
    steps += [
        units[axis].gist
        for axis in ("feature", "norm", "position", "value")
        if units[axis].key not in ("identity", "none")
    ]
    return "with " + "; ".join(steps)


def _position(path: Path) -> str:
    return f"with {path.units['position'].gist}"


def _fusion_formula(design: Design, names: list[str]) -> str:
    share = {"sum": "", "scalars": "a_{} ", "router": "a_{},t ", "gates": "a_{},t "}[design.fusion]
    return " + ".join(f"{share.format(name)}{name}_t" for name in names)


def _output_sentence(design: Design) -> str:
    """Return a sentence about the frame: entry, inner width, norm, gate and skip."""
    units = design.units
    parts = [
        units[axis].gist
        for axis in ("entry", "inner", "output_norm", "gate", "skip")
        if units[axis].key not in ("none", "equal")
    ]
    return f"Around it: {', '.join(parts)}." if parts else "The reads go straight to the output projection."
