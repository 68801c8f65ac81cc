"""Designs that compute the same function in another form, and the one form that stands for all of them.

    normal_form(design)

- A read divided by a positive number per head is a plain read if a norm per head follows at once: `read: mean`, or a
  formula such as `σ(w x_t)·r_t`.
- A feature map that scales a vector by a positive number per head is none if a norm of the vector follows.
- SiLU behind taps that only queries and keys have is the SiLU feature map.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from agents.design.formulas.expression import Expression, call, number
from agents.design.formulas.keys import formula_key, formula_of
from agents.design.formulas.ranges import shape_of
from agents.design.tree import Design, MemoryPath, Path
from agents.design.units.unit import is_formula

_POSITIVE = ("sigmoid", "softplus", "exp")


def normal_form(design: Design) -> Design:
    """Return the design that stands for all designs of the same function; the design itself if nothing changes."""
    paths = tuple(_normal_path(path, design.output_norm) for path in design.paths)
    if paths == design.paths:
        return design
    try:
        return Design(paths, **design.choices)
    except ValueError:  # two paths became equal; their sum is another function than one of them
        return design


def _normal_path(path: Path, output_norm: str) -> Path:
    if not isinstance(path, MemoryPath):
        return path
    for rule in _RULES:
        path = replace(path, **rule(path, output_norm))
    return path


def _plain_read(path: MemoryPath, output_norm: str) -> Mapping[str, str]:
    """Return the read whose scale the norm behind it does not undo."""
    if output_norm not in ("rms", "layer") or path.present != "none":
        return {}
    return {"read": "plain" if path.read == "mean" else _without_scale("read", path.read)}


def _plain_feature(path: MemoryPath, _: str) -> Mapping[str, str]:
    """Return the feature map whose scale the norm behind it does not undo."""
    return {"feature": _without_scale("feature", path.feature)} if path.norm != "none" else {}


def _activated_taps(path: MemoryPath, _: str) -> Mapping[str, str]:
    """Return an activation behind the taps in place of the same feature map."""
    same = path.convolution == "qk" and path.conv_activation == "none" and path.feature == "silu"
    return {"conv_activation": "silu", "feature": "identity"} if same else {}


_RULES: tuple[Callable[[MemoryPath, str], Mapping[str, str]], ...] = (_plain_read, _plain_feature, _activated_taps)


def _without_scale(axis: str, key: str) -> str:
    """Return the key of a formula without its positive factors per head."""
    if not is_formula(key):
        return key
    tree = formula_of(axis, key)
    if tree.op != "mul":
        return key
    kept = [factor for factor in tree.args if not _is_positive_scale(factor)]
    return formula_key(axis, call("mul", *kept, number(1)))


def _is_positive_scale(tree: Expression) -> bool:
    """Return whether a factor is a positive number per head."""
    return tree.op in _POSITIVE and shape_of(tree) in ("number", "head")
