"""Memory that grows from call to call: what a forward pass keeps of every call, it keeps no longer."""

import ast

from agents.repair.edits import Fix, called, receiver, replaced
from agents.repair.symptom import Symptom

_GATHERING = ("append", "extend", "add", "insert", "appendleft", "update", "setdefault")
"""Methods by which a container grows."""


def hoarding(symptom: Symptom) -> Fix | None:
    """Drop statements of the forward pass by which something on self grows: `self.kept.append(y)`, `self.kept += y`."""
    forward = symptom.method("forward")
    if forward is None or symptom.reason not in ("anomaly:memory_growth", "limit:memory"):
        return None
    edits = [(node, "pass") for node in ast.walk(forward) if isinstance(node, ast.stmt) and _gathers(node)]
    source = replaced(symptom.source, edits)
    return Fix(source, "dropped what every call kept, so that memory does not grow") if edits else None


def _gathers(node: ast.stmt) -> bool:
    """Say whether a statement makes something on self longer."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        owner = receiver(node.value)
        return called(node.value) in _GATHERING and owner is not None and bool(_own(owner))
    if isinstance(node, ast.AugAssign):
        return bool(_own(node.target))
    return isinstance(node, ast.Assign) and bool(_own(node.targets[0]) & _own(node.value))


def _own(node: ast.AST) -> set[str]:
    """Return the attributes of self that an expression names."""
    return {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "self"
    }


RULES = (hoarding,)
