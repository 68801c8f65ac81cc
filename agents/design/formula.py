"""The recurrence of a design as formulas, for the docstring of its source."""

from functools import lru_cache
from textwrap import fill

from agents.design.tree import Design, Path


def formula(design: Design, names: list[str]) -> list[str]:
    """Lines that state what every path computes per head, and how the paths are joined."""
    out: list[str] = []
    for path, path_name in zip(design.paths, names, strict=True):
        head = f"The {path_name} path, per head:" if path_name else "Per head:"
        out += [head, *(_wrapped(line, "    ") for line in _of_path(path)), ""]
    if len(design.paths) > 1:
        out += [_wrapped(f"Joined by {design.units['fusion'].gist}: o_t = {_join(design, names)}."), ""]
    return "\n".join([*out, _wrapped(_output(design))]).splitlines()


@lru_cache(maxsize=4096)
def _wrapped(text: str, indent: str = "") -> str:
    """Return the text in lines of at most 110 characters."""
    return fill(text, 110, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _of_path(path: Path) -> list[str]:
    """Return what one path computes at step t."""
    if path.kind == "memory":
        return _of_memory(path)
    if path.kind == "window":
        norm = "q, k RMS-normalised; " if path.choices["norm"] == "rms" else ""
        return [
            f"o_t = Σ_s softmax_s(q_tᵀ k_s / √K) v_s over t − {path.choices['span']} < s ≤ t",
            f"{norm}{_position(path)}",
        ]
    wrapped = "silu(%)" if path.choices["activation"] == "silu" else "%"
    inner = "k_{t−i} ⊙ v_{t−i}" if path.choices["multiply"] == "both" else "v_{t−i}"
    filtered = wrapped.replace("%", f"Σ_i w_i ⊙ {inner}") + f" over 0 ≤ i < {path.choices['taps']}"
    return [f"o_t = {'q_t ⊙ ' if path.choices['multiply'] != 'none' else ''}{filtered}"]


def _of_memory(path: Path) -> list[str]:
    """State, read, gates and preparation of a memory with state S [K, V]."""
    slots: dict[str, str] = {}
    for unit in path.units.values():
        slots |= unit.slots
    forgotten = slots.get("forget", "S")
    write = slots["write"]
    kept = f"({forgotten})" if "({S})" in write and " " in forgotten else forgotten
    write = write.replace("({S})", kept).replace("{S}", forgotten)
    gates = [text for text in (slots.get("where", ""), slots["gates"]) if text]
    return [
        write,
        f"{slots['reading']} / √K{slots.get('extra', '')}"
        if path.choices["read"] == "plain"
        else slots["reading"] + slots.get("extra", ""),
        *(["; ".join(gates)] if gates else []),
        _prepared(path),
    ]


def _prepared(path: Path) -> str:
    """How queries and keys come about, in a phrase."""
    units = path.units
    steps = [units["sharing"].gist]
    if path.choices["convolution"] != "none":
        steps.append(f"{units['convolution'].gist} ({units['conv_width'].gist}, {units['conv_activation'].gist})")
    steps += [
        units[axis].gist for axis in ("feature", "norm", "position") if units[axis].key not in ("identity", "none")
    ]
    return "with " + "; ".join(steps)


def _position(path: Path) -> str:
    """Return the position unit of a window."""
    return f"with {path.units['position'].gist}"


def _join(design: Design, names: list[str]) -> str:
    """Return the fusion as a formula."""
    share = {"sum": "", "scalars": "a_{} ", "router": "a_{},t ", "gates": "a_{},t "}[design.fusion]
    return " + ".join(f"{share.format(name)}{name}_t" for name in names)


def _output(design: Design) -> str:
    """Entry, norm, gate and skip in a sentence."""
    units = design.units
    parts = [
        units[axis].gist
        for axis in ("entry", "inner", "output_norm", "gate", "skip")
        if units[axis].key not in ("none", "equal")
    ]
    return f"Around it: {', '.join(parts)}." if parts else "The reads go straight to the output projection."
