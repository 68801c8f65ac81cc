"""Dependence on the length of the sequence, which no position may know: a constant takes its place."""

import ast

from agents.repair.edits import Fix, call_name, edit_nodes, node_text, receiver
from agents.repair.symptom import Symptom

CONSTANT = "128.0"
"""What takes the place of a length by which something is divided."""
_SCALARS = ("sqrt", "log", "log2", "log1p", "max", "min", "float", "int")
"""Functions whose value is as much a property of the length as the length itself."""


def divided_by_length(symptom: Symptom) -> Fix | None:
    """Divide by a constant where the length divides, and count positions from the start."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason != "length_dependence":
        return None
    names = _length_names(forward)
    edits = [edit for node in ast.walk(forward) if (edit := _edit(symptom.source, node, names)) is not None]
    return edit_nodes(symptom.source, edits, f"put the constant {CONSTANT} in place of the sequence's length")


def _length_names(forward: ast.FunctionDef) -> set[str]:
    """Return the names that are bound to the length: the second of a shape, or what is computed from lengths only."""
    names: set[str] = set()
    for node in ast.walk(forward):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) == 3 and isinstance(target.elts[1], ast.Name):
            is_shape = ast.unparse(node.value).endswith((".shape", ".size()"))
            names |= {target.elts[1].id} if is_shape else set()
        elif isinstance(target, ast.Name) and _is_length(node.value, names):
            names.add(target.id)
    return names


def _edit(source: str, node: ast.AST, names: set[str]) -> tuple[ast.AST, str] | None:
    """Return the edit of a division by a length, or of positions that are counted to or from the sequence's end."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_length(node.right, names):
        return node.right, CONSTANT
    if not isinstance(node, ast.Call) or len(node.args) < 3:
        return None
    first, second, third = (node_text(source, argument) for argument in node.args[:3])
    more = "".join(f", {key.arg}={node_text(source, key.value)}" for key in node.keywords)
    if call_name(node) == "linspace" and _is_length(node.args[2], names):
        return node, f"({first} + ({second} - {first}) * torch.arange({third}{more}) / {CONSTANT})"
    if call_name(node) == "arange" and third == "-1" and _is_length(node.args[0], names):
        return node, f"torch.arange({second}, {first}{more})"
    return None


def _is_length(node: ast.expr, names: set[str]) -> bool:
    """Return whether an expression is the length, or a number computed from it and constants."""
    match node:
        case ast.Name():
            return node.id in names
        case ast.Subscript(value=ast.Attribute(attr="shape"), slice=index):
            return ast.unparse(index) in ("1", "-2")
        case ast.Call(args=[index]) if call_name(node) == "size" and receiver(node) is not None:
            return ast.unparse(index) in ("1", "-2")
        case ast.Call(args=args) if call_name(node) in _SCALARS:
            return _are_lengths(args, names)
        case ast.BinOp():
            return _are_lengths([node.left, node.right], names)
        case _:
            return False


def _are_lengths(nodes: list[ast.expr], names: set[str]) -> bool:
    """Return whether at least one expression is a length, and the others are constants."""
    others = [node for node in nodes if not _is_length(node, names)]
    return len(others) < len(nodes) and all(isinstance(node, ast.Constant) for node in others)


RULES = (divided_by_length,)
