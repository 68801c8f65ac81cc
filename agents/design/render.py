"""From a design to one readable PyTorch file: the class that a careful engineer would write.

Rendering is deterministic. `Rendered.unit_at` names the unit behind a line of the source, so an error's line number
leads back to the unit to replace.
"""

import re
from dataclasses import dataclass
from textwrap import fill

from agents.design.describe import class_name, name, summary
from agents.design.formula import formula_lines
from agents.design.render_paths import path_forward, path_init
from agents.design.templates import Line, join_lines, lines
from agents.design.tree import Design, Path

_KERNELS = ("causal_conv1d", "linear_recurrence", "rms_norm", "rotary", "window_attention")


@dataclass(frozen=True)
class Rendered:
    """A source and the unit behind each of its lines."""

    source: str
    """The whole file."""
    units: tuple[str, ...]
    """The unit of each line: `decay:scalar`, or `memory/decay:scalar` with several paths; empty for fixed text."""

    def unit_at(self, line: int) -> str:
        """Return the unit behind a line (counted from 1); empty for fixed text and lines outside the file."""
        return self.units[line - 1] if 1 <= line <= len(self.units) else ""


def render(design: Design) -> Rendered:
    """Return the design as a file with one module, `(d_model, n_heads, layer_idx=0)`, [B, T, D] -> [B, T, D]."""
    body = body_lines(design)
    return Rendered(*join_lines([*_head(design, body), *body]))


def body_lines(design: Design) -> list[Line]:
    """Return the lines of the class, its head left out."""
    return [*_init(design), Line(""), *_methods(design), *_forward(design)]


def path_names(design: Design) -> list[str]:
    """Return the name of each path in the code; the name of a single path is empty."""
    if len(design.paths) == 1:
        return [""]
    memories = sum(path.kind == "memory" for path in design.paths)
    names = {
        "memory": ["memory"] if memories == 1 else ["first", "second"],
        "window": ["window"],
        "convolution": ["filter"],
    }
    return [names[path.kind].pop(0) for path in design.paths]


def _head(design: Design, body: list[Line]) -> list[Line]:
    """Return the docstring, the imports that the body uses, and the class line."""
    code = "\n".join(line.text for line in body)
    kernels = [kernel for kernel in _KERNELS if f"{kernel}(" in code]
    text = [
        f'"""{name(design)}', "", *fill(summary(design), 110).splitlines(), "",
        *formula_lines(design, path_names(design)), '"""', "",
        *(["import torch"] if "torch." in code else []),
        *(["import torch.nn.functional as F"] if re.search(r"\bF\.", code) else []),
        "from torch import Tensor, nn", "", f"from kernels import {', '.join(kernels)}", "", "",
        f"class {class_name(design)}(nn.Module):",
    ]  # fmt: skip
    return [Line(line) for line in text] + [
        Line('"""Token mixer: [B, T, D] to [B, T, D], causal in time."""', depth=1),
        Line(""),
    ]


def _init(design: Design) -> list[Line]:
    frame, names = design.units, path_names(design)
    opening = """
        super().__init__()
        self.n_heads = n_heads
        head_dim = d_model // n_heads
        """
    out = [Line("def __init__(self, d_model: int, n_heads: int, layer_idx: int = 0) -> None:", depth=1)]
    out += lines(opening, {})
    out += lines("value_dim = {value_dim}", frame["inner"].slots, _label("inner", design))
    out += _frame_lines(design, "entry", "init")
    for path, path_name in zip(design.paths, names, strict=True):
        out += path_init(path, path_name)
        norm = frame["output_norm"].init
        out += lines(norm, {"p": _prefix(path_name)}, _label("output_norm", design))
    for axis in ("fusion", "gate"):
        out += _frame_lines(design, axis, "init")
    out += lines("self.o_proj = nn.Linear(n_heads * value_dim, d_model, bias=False)", {})
    return out + _frame_lines(design, "skip", "init")


def _methods(design: Design) -> list[Line]:
    """Return one method per path if there are several."""
    if len(design.paths) == 1:
        return []
    out: list[Line] = []
    for path, path_name in zip(design.paths, path_names(design), strict=True):
        out.append(Line(f"def {path_name}(self, x: Tensor) -> Tensor:", depth=1))
        out.append(Line(f'"""The {path_name} path: x [B, T, D] -> [B, T, H, V]."""', depth=2))
        out += [*_path_and_norm(design, path, path_name), Line("return o", depth=2), Line("")]
    return out


def _path_and_norm(design: Design, path: Path, path_name: str) -> list[Line]:
    """Return a path's forward pass to a normalised o [B, T, H, V], with the gate if it precedes the norm."""
    out = list(path_forward(path, path_name))
    if design.gate == "silu_first":
        gate = "o = o * F.silu(self.gate_proj(x)).unflatten(-1, (self.n_heads, -1))  # [B, T, H, V]"
        out += lines(gate, {}, _label("gate", design))
    norm = design.units["output_norm"].forward
    return out + lines(norm, {"p": _prefix(path_name)}, _label("output_norm", design))


def _forward(design: Design) -> list[Line]:
    """Return the forward pass of the whole mixer."""
    out = [Line("def forward(self, x: Tensor) -> Tensor:", depth=1)]
    out.append(Line('"""x: [B, T, D] -> [B, T, D], causal in T, at a cost linear in T."""', depth=2))
    scaled = design.skip == "scaled"
    if scaled:
        out += lines("entered = x", {}, _label("skip", design)) if design.entry != "none" else []
    out += _frame_lines(design, "entry", "forward")
    out += _path_and_norm(design, design.paths[0], "") if len(design.paths) == 1 else _fusion(design)
    out += lines("o = o.flatten(2)  # [B, T, H * V]", {})
    out += _frame_lines(design, "gate", "forward")
    tail = f" + self.skip * {'x' if design.entry == 'none' else 'entered'}" if scaled else ""
    return out + lines(f"return self.o_proj(o){tail}  # [B, T, D]", {}, _label("skip", design) if scaled else "")


def _fusion(design: Design) -> list[Line]:
    """Return the lines that call the paths and join them to o [B, T, H, V]."""
    names = path_names(design)
    share = design.units["fusion"].slots.get("share", "")
    calls = [f"self.{path_name}(x)" for path_name in names]
    weighted = [f"{share.format(i=i)} * {call}" for i, call in enumerate(calls)]
    slots = {"n": str(len(names)), "sum": " + ".join(calls), "weighted": " + ".join(weighted)}
    return lines(design.units["fusion"].forward, slots, _label("fusion", design))


def _frame_lines(design: Design, axis: str, part: str) -> list[Line]:
    """Return the code of one unit of the frame; part is "init" or "forward"."""
    if axis == "fusion" and len(design.paths) == 1:
        return []
    return lines(getattr(design.units[axis], part), {"n": str(len(design.paths))}, _label(axis, design))


def _label(axis: str, design: Design) -> str:
    return f"{axis}:{design.choices[axis]}"


def _prefix(path_name: str) -> str:
    """Return the prefix of a path's attributes."""
    return f"{path_name}_" if path_name else ""
