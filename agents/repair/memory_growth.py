"""Memory without bound: a forward pass must not keep anything of a call, nor a dictionary of what it read."""

import ast

from agents.repair.edits import Fix, call_name, edit_nodes, receiver
from agents.repair.symptom import Symptom

_GROWING_METHODS = ("append", "extend", "add", "insert", "appendleft", "update", "setdefault")
"""Methods by which a container grows."""


def growing_memory(symptom: Symptom) -> Fix | None:
    """Drop statements of the forward pass that grow an attribute: `self.kept.append(y)`, `self.kept += y`."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason not in ("anomaly:memory_growth", "limit:memory", "unbounded_state"):
        return None
    edits: list[tuple[ast.AST, str]] = [
        (node, "pass") for node in ast.walk(forward) if isinstance(node, ast.stmt) and _grows(node)
    ]
    return edit_nodes(symptom.source, edits, "dropped what every call kept, so that memory does not grow")


def _grows(node: ast.stmt) -> bool:
    """Return whether a statement makes an attribute of self longer."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        owner = receiver(node.value)
        return call_name(node.value) in _GROWING_METHODS and owner is not None and bool(_self_attributes(owner))
    if isinstance(node, ast.AugAssign):
        return bool(_self_attributes(node.target))
    return isinstance(node, ast.Assign) and bool(_self_attributes(node.targets[0]) & _self_attributes(node.value))


def _self_attributes(node: ast.AST) -> set[str]:
    return {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self"
    }


def local_dictionary(symptom: Symptom) -> Fix | None:
    """Drop statements of the forward pass that write to a dictionary or set of its own: `memory[key] = value`."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason != "unbounded_state":
        return None
    own = {
        node.targets[0].id
        for node in ast.walk(forward)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _is_dictionary(node.value)
    }
    edits: list[tuple[ast.AST, str]] = [
        (node, "pass") for node in ast.walk(forward) if isinstance(node, ast.stmt) and _written_name(node) in own
    ]
    return edit_nodes(symptom.source, edits, "dropped what was written to a dictionary, which remembers without bound")


def _is_dictionary(node: ast.expr) -> bool:
    return isinstance(node, ast.Dict | ast.Set) or call_name(node) in ("dict", "set", "defaultdict", "OrderedDict")


def _written_name(node: ast.stmt) -> str:
    """Return the name of the container that a statement writes an element to; empty if it does something else."""
    written: ast.expr | None = None
    if isinstance(node, ast.Assign | ast.AugAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        written = target.value if isinstance(target, ast.Subscript) else None
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and call_name(node.value) in _GROWING_METHODS:
        written = receiver(node.value)
    return written.id if isinstance(written, ast.Name) else ""


RULES = (growing_memory, local_dictionary)
