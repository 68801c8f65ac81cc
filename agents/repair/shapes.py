"""Faults of shape: views that memory does not allow, head splits, widths that do not fit, other outputs."""

import ast
import re

from agents.repair.edits import Fix, called, replaced, text_of
from agents.repair.symptom import Symptom

_SHAPE = r"\((?:torch\.Size\()?[\[(]?([\d, ]+)[\])]?\)?"


def view_to_reshape(symptom: Symptom) -> Fix | None:
    """`view` becomes `reshape` where memory is not laid out for it."""
    if not symptom.says("view size is not compatible", r"use \.reshape"):
        return None
    edits: list[tuple[ast.AST, str]] = [
        (node.func, f"{text_of(symptom.source, node.func.value)}.reshape")
        for node in symptom.nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "view" and _concerns(symptom, node)
    ]
    return _fix(symptom, edits, "used reshape where view needs contiguous memory")


def head_split(symptom: Symptom) -> Fix | None:
    """Leave the last size of a split into heads to be inferred, where it is wrong."""
    if not symptom.says(r"shape '.*' is invalid for input of size"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        is_split = called(node) in ("view", "reshape") and len(node.args) > 1 and _concerns(symptom, node)
        if is_split and not any(_is_minus_one(argument) for argument in node.args):
            edits.append((node.args[-1], "-1"))
    return _fix(symptom, edits[:1], "left the last size of the head split to be inferred")


def layer_width(symptom: Symptom) -> Fix | None:
    """Scale the input width of a linear layer to what arrives."""
    match = symptom.found(r"shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)")
    if not match:
        return None
    arriving, expected = int(match[2]), int(match[3])
    names = [
        node.func.attr
        for node in symptom.nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and _on_self(node.func) and _concerns(symptom, node)
    ]
    for name in reversed(names):
        layer = _layer(symptom, name)
        if layer is not None and layer.args:
            width = _scaled(text_of(symptom.source, layer.args[0]), arriving, expected)
            if width:
                return _fix(symptom, [(layer.args[0], width)], f"gave {name} the input width that arrives")
    return None


def output_shape(symptom: Symptom) -> Fix | None:
    """Bring the output to [B, T, D]: merge heads, swap time and batch back, set the last width."""
    match = symptom.found(rf"input {_SHAPE} gave output {_SHAPE}")
    forward = symptom.method("forward")
    if not match or forward is None:
        return None
    wanted, got = ([int(n) for n in text.replace(" ", "").strip(",").split(",")] for text in match.groups())
    result = _returned(forward)
    if result is None:
        return None
    text = text_of(symptom.source, result)
    if len(got) == 3 and got[:2] == wanted[:2]:
        return _last_width(symptom, wanted[-1], got[-1], text)
    for shape, edit, change in _layouts(wanted, got, _first_input(forward)):
        if got == shape:
            return _fix(symptom, [(result, f"({text}){edit}")], change)
    return None


def _layouts(wanted: list[int], got: list[int], x: str) -> list[tuple[list[int], str, str]]:
    """Return the layouts of an output that are known, each with what brings it to [B, T, D] and a description."""
    b, t, d = wanted if len(wanted) == 3 else (0, 0, 0)
    last, second = got[-1], got[1] if len(got) > 1 else 0
    return [
        ([b, t, d // max(last, 1), last], ".flatten(2)", "merged the heads of the output, [B, T, H, V] to [B, T, D]"),
        ([b, d // max(last, 1), t, last], ".transpose(1, 2).flatten(2)", "put heads behind time and merged them"),
        ([t, b, d], ".transpose(0, 1)", "swapped batch and time back"),
        ([b, d, t], ".transpose(1, 2)", "swapped time and channels back"),
        ([b, max(second, t + 1), d], f"[:, : {x}.shape[1]]", "cut the output to the input's length"),
    ]


def unpacked_pair(symptom: Symptom) -> Fix | None:
    """Take the first part of what a function returns as a pair, where it is used as a tensor."""
    if not symptom.says("'?tuple'? object", "not tuple", r"must be Tensor, not tuple", "unsupported operand.*'tuple'"):
        return None
    pairs = ("linear_recurrence", "causal_conv1d", "recurrence_step", "GRU", "LSTM", "rotary")
    packed = {id(node.value) for node in symptom.nodes(ast.Assign) if isinstance(node.targets[0], ast.Tuple)}
    taken = {id(node.value) for node in symptom.nodes(ast.Subscript)}
    edits: list[tuple[ast.AST, str]] = [
        (node, f"{text_of(symptom.source, node)}[0]")
        for node in symptom.nodes(ast.Call)
        if called(node) in pairs and isinstance(node.func, ast.Name) and id(node) not in packed | taken
    ]
    return _fix(symptom, edits, "took the output from the (output, state) pair that the kernel returns")


def returned_tuple(symptom: Symptom) -> Fix | None:
    """Keep only the output of a forward pass that returns more."""
    forward = symptom.method("forward")
    if forward is None or not symptom.says("returned (tuple|dict|list|NoneType)", "tuple"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in ast.walk(forward):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts:
            edits.append((node.value, text_of(symptom.source, node.value.elts[0])))
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict) and node.value.values:
            edits.append((node.value, text_of(symptom.source, node.value.values[0])))
    return _fix(symptom, edits, "returned the output alone")


def forgotten_return(symptom: Symptom) -> Fix | None:
    """Return what a forward pass without a return computed last."""
    forward = symptom.method("forward")
    if forward is None or _returned(forward) is not None or not symptom.says("NoneType"):
        return None
    last = forward.body[-1]
    blank = " " * last.col_offset
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        return _fix(
            symptom,
            [(last, f"{text_of(symptom.source, last)}\n{blank}return {last.targets[0].id}")],
            "returned what was computed last",
        )
    if isinstance(last, ast.Expr):
        return _fix(symptom, [(last, f"return {text_of(symptom.source, last)}")], "returned what was computed last")
    return None


def _last_width(symptom: Symptom, wanted: int, got: int, text: str) -> Fix | None:
    """Give the layer that makes the output the input's width."""
    name = next(iter(re.findall(r"self\.(\w+)\(", text)), "")
    layer = _layer(symptom, name)
    if layer is None or len(layer.args) < 2:
        return None
    width = _scaled(text_of(symptom.source, layer.args[1]), wanted, got)
    return _fix(symptom, [(layer.args[1], width)], f"gave {name} the input's width") if width else None


def _scaled(text: str, wanted: int, present: int) -> str:
    """Return a width's expression, scaled to the wanted one; empty where that is no whole factor."""
    if present and wanted % present == 0:
        return f"{wanted // present} * ({text})"
    return f"({text}) // {present // wanted}" if wanted and present % wanted == 0 else ""


def _layer(symptom: Symptom, name: str) -> ast.Call | None:
    """Return the call that makes `self.<name>`, where it is a linear layer."""
    for node in symptom.nodes(ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and target.attr == name and called(node.value) == "Linear":
            return node.value if isinstance(node.value, ast.Call) else None
    return None


def _returned(forward: ast.FunctionDef) -> ast.expr | None:
    """Return what a forward pass returns last."""
    values = [node.value for node in ast.walk(forward) if isinstance(node, ast.Return) and node.value is not None]
    return max(values, key=lambda node: node.lineno, default=None)


def _first_input(forward: ast.FunctionDef) -> str:
    """Return what the forward pass calls its input."""
    return forward.args.args[1].arg if len(forward.args.args) > 1 else "x"


def _concerns(symptom: Symptom, node: ast.Call) -> bool:
    """Whether a node stands on the line of the error, or no line is known."""
    return symptom.line is None or node.lineno <= symptom.line <= (node.end_lineno or node.lineno)


def _on_self(function: ast.Attribute) -> bool:
    """Whether an attribute is one of self."""
    return isinstance(function.value, ast.Name) and function.value.id == "self"


def _is_minus_one(node: ast.expr) -> bool:
    """Whether an expression is -1."""
    return ast.unparse(node) == "-1"


def _fix(symptom: Symptom, edits: list[tuple[ast.AST, str]], change: str) -> Fix | None:
    """Return the edited source, where there is anything to edit."""
    return Fix(replaced(symptom.source, edits), change) if edits else None


RULES = (view_to_reshape, head_split, layer_width, output_shape, unpacked_pair, returned_tuple, forgotten_return)
