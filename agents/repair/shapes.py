"""Faults of shape: views of non-contiguous memory, head splits, widths that do not fit, outputs of another shape."""

import ast
import re

from agents.repair.edits import Fix, call_name, edit_nodes, node_text
from agents.repair.symptom import Symptom

_SHAPE = r"\((?:torch\.Size\()?[\[(]?([\d, ]+)[\])]?\)?"


def view_to_reshape(symptom: Symptom) -> Fix | None:
    """Replace `view` by `reshape` if memory is not contiguous."""
    if not symptom.mentions("view size is not compatible", r"use \.reshape"):
        return None
    edits: list[tuple[ast.AST, str]] = [
        (node.func, f"{node_text(symptom.source, node.func.value)}.reshape")
        for node in symptom.nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "view" and _concerns(symptom, node)
    ]
    return edit_nodes(symptom.source, edits, "used reshape where view needs contiguous memory")


def head_split(symptom: Symptom) -> Fix | None:
    """Let torch infer the last size of a wrong split into heads."""
    if not symptom.mentions(r"shape '.*' is invalid for input of size"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in symptom.nodes(ast.Call):
        is_split = call_name(node) in ("view", "reshape") and len(node.args) > 1 and _concerns(symptom, node)
        if is_split and not any(_is_minus_one(argument) for argument in node.args):
            edits.append((node.args[-1], "-1"))
    return edit_nodes(symptom.source, edits[:1], "left the last size of the head split to be inferred")


def layer_width(symptom: Symptom) -> Fix | None:
    """Scale the input width of a linear layer to the width of its input."""
    match = symptom.last_match(r"shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)")
    if not match:
        return None
    actual, expected = int(match[2]), int(match[3])
    names = [
        node.func.attr
        for node in symptom.nodes(ast.Call)
        if isinstance(node.func, ast.Attribute) and _on_self(node.func) and _concerns(symptom, node)
    ]
    for name in reversed(names):
        layer = _layer(symptom, name)
        if layer is not None and layer.args:
            width = _scaled_width(node_text(symptom.source, layer.args[0]), actual, expected)
            if width:
                return edit_nodes(symptom.source, [(layer.args[0], width)], f"gave {name} the input width that arrives")
    return None


def output_shape(symptom: Symptom) -> Fix | None:
    """Bring the output to [B, T, D]: merge heads, swap time and batch back, set the last width."""
    match = symptom.last_match(rf"input {_SHAPE} gave output {_SHAPE}")
    forward = symptom.method("forward")
    if not match or forward is None:
        return None
    expected, actual = ([int(n) for n in text.replace(" ", "").strip(",").split(",")] for text in match.groups())
    result = _last_return_value(forward)
    if result is None:
        return None
    text = node_text(symptom.source, result)
    if len(actual) == 3 and actual[:2] == expected[:2]:
        return _last_width(symptom, expected[-1], actual[-1], text)
    for shape, edit, change in _layouts(expected, actual, _first_input(forward)):
        if actual == shape:
            return edit_nodes(symptom.source, [(result, f"({text}){edit}")], change)
    return None


def _layouts(expected: list[int], actual: list[int], x: str) -> list[tuple[list[int], str, str]]:
    """Return known layouts of an output, each with the code that brings it to [B, T, D] and a description."""
    b, t, d = expected if len(expected) == 3 else (0, 0, 0)
    last, second = actual[-1], actual[1] if len(actual) > 1 else 0
    return [
        ([b, t, d // max(last, 1), last], ".flatten(2)", "merged the heads of the output, [B, T, H, V] to [B, T, D]"),
        ([b, d // max(last, 1), t, last], ".transpose(1, 2).flatten(2)", "put heads behind time and merged them"),
        ([t, b, d], ".transpose(0, 1)", "swapped batch and time back"),
        ([b, d, t], ".transpose(1, 2)", "swapped time and channels back"),
        ([b, max(second, t + 1), d], f"[:, : {x}.shape[1]]", "cut the output to the input's length"),
    ]


def unpacked_pair(symptom: Symptom) -> Fix | None:
    """Take the first part of a returned pair that is used as a tensor."""
    if not symptom.mentions(
        "'?tuple'? object", "not tuple", r"must be Tensor, not tuple", "unsupported operand.*'tuple'"
    ):
        return None
    pairs = ("linear_recurrence", "causal_conv1d", "recurrence_step", "GRU", "LSTM", "rotary")
    assigned_to_pairs = {id(node.value) for node in symptom.nodes(ast.Assign) if isinstance(node.targets[0], ast.Tuple)}
    indexed = {id(node.value) for node in symptom.nodes(ast.Subscript)}
    edits: list[tuple[ast.AST, str]] = [
        (node, f"{node_text(symptom.source, node)}[0]")
        for node in symptom.nodes(ast.Call)
        if call_name(node) in pairs and isinstance(node.func, ast.Name) and id(node) not in assigned_to_pairs | indexed
    ]
    return edit_nodes(symptom.source, edits, "took the output from the (output, state) pair that the kernel returns")


def returned_tuple(symptom: Symptom) -> Fix | None:
    """Return only the output if a forward pass returns more."""
    forward = symptom.method("forward")
    if forward is None or not symptom.mentions("returned (tuple|dict|list|NoneType)", "tuple"):
        return None
    edits: list[tuple[ast.AST, str]] = []
    for node in ast.walk(forward):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and node.value.elts:
            edits.append((node.value, node_text(symptom.source, node.value.elts[0])))
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Dict) and node.value.values:
            edits.append((node.value, node_text(symptom.source, node.value.values[0])))
    return edit_nodes(symptom.source, edits, "returned the output alone")


def forgotten_return(symptom: Symptom) -> Fix | None:
    """Return the last value that a forward pass without a return computes."""
    forward = symptom.method("forward")
    if forward is None or _last_return_value(forward) is not None or not symptom.mentions("NoneType"):
        return None
    last = forward.body[-1]
    text, indent = node_text(symptom.source, last), " " * last.col_offset
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        statement = f"{text}\n{indent}return {last.targets[0].id}"
    elif isinstance(last, ast.Expr):
        statement = f"return {text}"
    else:
        return None
    return edit_nodes(symptom.source, [(last, statement)], "returned what was computed last")


def _last_width(symptom: Symptom, expected: int, actual: int, text: str) -> Fix | None:
    """Give the layer that makes the output the input's width."""
    name = next(iter(re.findall(r"self\.(\w+)\(", text)), "")
    layer = _layer(symptom, name)
    if layer is None or len(layer.args) < 2:
        return None
    width = _scaled_width(node_text(symptom.source, layer.args[1]), expected, actual)
    return edit_nodes(symptom.source, [(layer.args[1], width)], f"gave {name} the input's width") if width else None


def _scaled_width(text: str, target: int, present: int) -> str:
    """Return a width's expression scaled to the target; empty if the factor or divisor is not whole."""
    if present and target % present == 0:
        return f"{target // present} * ({text})"
    return f"({text}) // {present // target}" if target and present % target == 0 else ""


def _layer(symptom: Symptom, name: str) -> ast.Call | None:
    """Return the call that makes `self.<name>`, or None if it is no linear layer."""
    for node in symptom.nodes(ast.Assign):
        target = node.targets[0]
        if isinstance(target, ast.Attribute) and target.attr == name and call_name(node.value) == "Linear":
            return node.value if isinstance(node.value, ast.Call) else None
    return None


def _last_return_value(forward: ast.FunctionDef) -> ast.expr | None:
    """Return the value of the last return statement of a forward pass, or None without one."""
    values = [node.value for node in ast.walk(forward) if isinstance(node, ast.Return) and node.value is not None]
    return max(values, key=lambda node: node.lineno, default=None)


def _first_input(forward: ast.FunctionDef) -> str:
    """Return the name of the forward pass's input."""
    return forward.args.args[1].arg if len(forward.args.args) > 1 else "x"


def _concerns(symptom: Symptom, node: ast.Call) -> bool:
    """Return whether a node is on the line of the error, or no line is known."""
    return symptom.line is None or node.lineno <= symptom.line <= (node.end_lineno or node.lineno)


def _on_self(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id == "self"


def _is_minus_one(node: ast.expr) -> bool:
    return ast.unparse(node) == "-1"


RULES = (view_to_reshape, head_split, layer_width, output_shape, unpacked_pair, returned_tuple, forgotten_return)
