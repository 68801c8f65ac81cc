"""Designs that compute the same function in another form, and the one form that stands for all of them.

    normal_form(design)

A norm undoes a scale in front of it, and a projection takes one up. A layer norm also undoes a shift. So these go:

- a read divided or multiplied by a positive number per head, behind which a norm per head follows at once, such as
  `read: mean` or the formula `σ(w x_t)·r_t`;
- a feature map's factor per head, if a norm of the vector follows, or if it is one constant for queries and keys;
- a constant factor per head of a value, a read or a gate;
- a term of a value or a read that is one number per head, if a layer norm follows;
- positive factors inside `relu` and `norm`, and learned numbers that `relu` silences from the start;
- lengths of queries and keys in formulas behind the norm that makes them 1;
- the SiLU feature map behind linear taps on queries and keys alone, in place of SiLU behind the taps.

`python -m benchmarks.duplicates` finds by their outputs what these rules miss.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from agents.design.formulas.expression import Expression, call, number
from agents.design.formulas.keys import formula_key, formula_of
from agents.design.formulas.plainer import plainer
from agents.design.formulas.ranges import is_of_token, shape_of
from agents.design.formulas.simplify import canonical
from agents.design.tree import Design, MemoryPath, Path
from agents.design.units.unit import is_formula

Keeps = Callable[[Expression], bool]
"""Tells whether a factor or a term has an effect."""
PER_HEAD_NORMS = ("rms", "layer")
"""Output norms that see the values of one head alone."""


def normal_form(design: Design) -> Design:
    """Return the design that stands for all designs of the same function; the design itself if nothing changes."""
    paths = tuple(_normal_path(path, design) for path in design.paths)
    gate = _without("gate", _plainer("gate", design.gate), "mul", lambda factor: not _is_constant(factor))
    if (paths, gate) == (design.paths, design.gate):
        return design
    try:
        return Design(paths, **design.choices | {"gate": gate})
    except ValueError:  # two paths became equal; their sum is another function than one of them
        return design


def _normal_path(path: Path, frame: Design) -> Path:
    if not isinstance(path, MemoryPath):
        return path
    for rule in _RULES if any(map(is_formula, path.choices.values())) else _RULES_OF_NAMED_UNITS:
        changes = {axis: key for axis, key in rule(path, frame).items() if key != path.choices[axis]}
        path = replace(path, **changes) if changes else path
    return path


def _plain_read(path: MemoryPath, frame: Design) -> Mapping[str, str]:
    """Return the read without the scale and the shift that what follows undoes."""
    normed = frame.output_norm in PER_HEAD_NORMS and frame.gate != "silu_first"
    if path.present != "none":
        return {"read": _unshifted("read", path.read, frame)}
    if path.read == "mean":
        return {"read": "plain"} if normed else {}
    read = _without(
        "read", path.read, "mul", lambda factor: not (_is_constant(factor) or (normed and _is_scale(factor)))
    )
    return {"read": _unshifted("read", read, frame)}


def _plain_value(path: MemoryPath, frame: Design) -> Mapping[str, str]:
    """Return the value without the constant scale and the shift that what follows undoes."""
    if is_formula(path.read) or _is_read(path, "v"):
        return {}
    value = _without("value", path.value, "mul", lambda factor: not _is_constant(factor))
    return {"value": _unshifted("value", value, frame)}


def _unshifted(axis: str, key: str, frame: Design) -> str:
    """Return a formula without its terms per head, if a layer norm follows at once."""
    if frame.output_norm != "layer" or frame.gate == "silu_first":
        return key
    return _without(axis, key, "add", lambda term: not _is_per_head(term))


def _plain_feature(path: MemoryPath, _: Design) -> Mapping[str, str]:
    """Return the feature map without the scale that what follows undoes."""
    normed = path.norm != "none"
    corrects = path.update.startswith("delta") or is_formula(path.update)
    scales_read = not (corrects or is_formula(path.read) or _is_read(path, "q", "k")) and path.present == "none"

    def keeps(factor: Expression) -> bool:
        return not (((normed or scales_read) and _is_constant(factor)) or (normed and _is_scale(factor)))

    return {"feature": _without("feature", path.feature, "mul", keeps)}


def _plain_formulas(path: MemoryPath, _: Design) -> Mapping[str, str]:
    """Return the formulas in their plainest form."""
    return {axis: _plainer(axis, key) for axis, key in path.choices.items() if is_formula(key)}


def _plainer(axis: str, key: str) -> str:
    return _key_or(key, axis, plainer(formula_of(axis, key))) if is_formula(key) else key


def _unit_lengths(path: MemoryPath, _: Design) -> Mapping[str, str]:
    """Return the formulas with 1 in place of the lengths of queries and keys, if they have unit length."""
    keys = {axis: path.choices[axis] for axis in ("decay", "update", "value", "read")} if path.norm == "l2" else {}
    return {axis: _with_unit_lengths(axis, key) for axis, key in keys.items() if is_formula(key)}


def _with_unit_lengths(axis: str, key: str) -> str:
    tree = formula_of(axis, key)
    for place, node in reversed(list(tree.nodes())):
        if node.op in ("norm", "dot") and {arg.op for arg in node.args} in ({"q"}, {"k"}):
            tree = tree.replaced(place, number(1))
    return _key_or(key, axis, tree)


def _key_or(key: str, axis: str, tree: Expression) -> str:
    """Return the key of a rewritten tree; the present key if the tree no longer reads the token."""
    try:
        return formula_key(axis, canonical(tree))
    except ValueError:
        return key


def _activated_taps(path: MemoryPath, _: Design) -> Mapping[str, str]:
    """Return an activation behind the taps in place of the same feature map."""
    same = path.convolution == "qk" and path.conv_activation == "none" and path.feature == "silu"
    return {"conv_activation": "silu", "feature": "identity"} if same else {}


_RULES: tuple[Callable[[MemoryPath, Design], Mapping[str, str]], ...] = (
    _plain_formulas,
    _unit_lengths,
    _plain_read,
    _plain_value,
    _plain_feature,
    _activated_taps,
)
_RULES_OF_NAMED_UNITS = (_plain_read, _activated_taps)
"""The rules that change a path without a formula."""


def _without(axis: str, key: str, op: str, keeps: Keeps) -> str:
    """Return the key of a formula with those of its factors (`mul`) or terms (`add`) alone that have an effect."""
    if not is_formula(key):
        return key
    tree = formula_of(axis, key)
    parts = tree.args if tree.op == op else ()
    kept = [part for part in parts if keeps(part)]
    if not kept or len(kept) == len(parts):
        return key
    try:
        return formula_key(axis, call(op, *kept, number(1 if op == "mul" else 0)))
    except ValueError:  # the other parts were all that reads what the axis has to read
        return key


def _is_read(path: MemoryPath, *leaves: str) -> bool:
    """Return whether a formula of the path reads one of its vectors, besides the formula that makes it."""
    formulas = ((axis, path.choices[axis]) for axis in ("decay", "update", "value", "read"))
    return any(_reads(axis, key, {*leaves} - {"v"} if axis == "value" else leaves) for axis, key in formulas)


def _reads(axis: str, key: str, leaves: Collection[str]) -> bool:
    return is_formula(key) and not formula_of(axis, key).leaves.isdisjoint(leaves)


def _is_per_head(tree: Expression) -> bool:
    """Return whether a tree has one value per head, or for all."""
    return shape_of(tree) in ("number", "head")


def _is_constant(tree: Expression) -> bool:
    """Return whether a tree is one learned number per head, at every step."""
    return _is_per_head(tree) and not is_of_token(tree)


def _is_scale(tree: Expression) -> bool:
    """Return whether a tree is a positive number per head."""
    return _is_per_head(tree) and _is_positive(tree)


def _is_positive(tree: Expression) -> bool:
    """Return whether a tree is positive, whatever its leaves; lengths are, except those of zero vectors."""
    if tree.op == "number":
        return tree.value > 0
    if tree.op in ("add", "mul", "mean"):
        return all(map(_is_positive, tree.args))
    if tree.op == "dot":
        return tree.args[0] == tree.args[1]
    return tree.op in ("sigmoid", "softplus", "exp", "norm")
