"""Misspelled names: locals, attributes of the module, functions of torch, names that Python suggests."""

import ast
import re
from difflib import get_close_matches

from agents.repair.edits import Fix, replace_nodes
from agents.repair.symptom import Symptom

_FUNCTIONS = (
    "softmax", "sigmoid", "silu", "softplus", "logsigmoid", "normalize", "einsum", "cumsum", "transpose", "permute",
    "reshape", "unsqueeze", "squeeze", "matmul", "zeros", "zeros_like", "ones", "ones_like", "arange", "cat",
    "stack", "exp", "log", "tanh", "relu", "gelu", "elu", "pad", "tril", "triu", "masked_fill", "layer_norm",
    "rms_norm", "scaled_dot_product_attention", "Linear", "Parameter", "LayerNorm", "RMSNorm", "Conv1d", "Module",
    "ModuleList", "Dropout", "Embedding", "Sequential", "contiguous", "flatten", "unflatten", "chunk", "split",
    "expand", "repeat_interleave", "clamp", "sqrt", "rsqrt", "mean", "sum",
)  # fmt: skip
"""Names of torch that mixers use."""


def python_suggestion(symptom: Symptom) -> Fix | None:
    """Take Python's own suggestion ("Did you mean")."""
    match = symptom.last_match(r"(?:name|attribute) '(\w+)'.*?Did you mean: '(?:self\.)?(\w+)'")
    return _rename(symptom, match[1], match[2]) if match else None


def undefined_name(symptom: Symptom) -> Fix | None:
    """Replace an undefined name by the most similar one that is defined."""
    match = symptom.last_match(r"(?:name|local variable) '(\w+)' (?:is not defined|referenced before)")
    if not match:
        return None
    assigned = {node.id for node in symptom.nodes(ast.Name) if isinstance(node.ctx, ast.Store)}
    known = (assigned | {node.arg for node in symptom.nodes(ast.arg)} | {"torch", "nn", "F"}) - {match[1]}
    if match[1] in _attributes(symptom):
        fixed = re.sub(rf"(?<![\w.]){match[1]}\b(?!\s*=[^=])", f"self.{match[1]}", symptom.source)
        return Fix(fixed, f"read {match[1]} from self, where it is kept")
    close = get_close_matches(match[1], sorted(known), n=1, cutoff=0.5)
    return _rename(symptom, match[1], close[0]) if close else None


def missing_attribute(symptom: Symptom) -> Fix | None:
    """Replace a missing attribute by the most similar one, or set it from the constructor's argument."""
    match = symptom.last_match(r"'?(?:module )?'?([\w.]+)'? (?:object )?has no attribute '(\w+)'")
    if not match:
        return None
    owner, wrong = match[1], match[2]
    is_own = _is_own_class(symptom, owner)
    if is_own and (fix := _assign_to_self(symptom, wrong)):
        return fix
    known = _attributes(symptom) - {wrong} if is_own else _FUNCTIONS
    close = get_close_matches(wrong, sorted(known), n=1, cutoff=0.6)
    return _rename(symptom, wrong, close[0]) if close else None


def _attributes(symptom: Symptom) -> set[str]:
    """Return the names of assigned attributes and of methods."""
    assigned = {node.attr for node in symptom.nodes(ast.Attribute) if isinstance(node.ctx, ast.Store)}
    return assigned | {node.name for node in symptom.nodes(ast.FunctionDef)}


def _is_own_class(symptom: Symptom, name: str) -> bool:
    """Return whether the source defines a class of that name."""
    return any(node.name == name for node in symptom.nodes(ast.ClassDef))


def _assign_to_self(symptom: Symptom, name: str) -> Fix | None:
    """Assign a constructor's argument or local to the attribute that is read later."""
    init = symptom.method("__init__")
    if init is None:
        return None
    local = {node.id: node for node in ast.walk(init) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    indent = " " * init.body[0].col_offset
    lines = symptom.source.splitlines(keepends=True)
    if name in [argument.arg for argument in init.args.args]:
        line = _behind_super(init)
    elif name in local:
        line = local[name].lineno
    else:
        return None
    source = "".join([*lines[:line], f"{indent}self.{name} = {name}\n", *lines[line:]])
    return Fix(source, f"kept {name} as self.{name}, which is read later")


def _behind_super(init: ast.FunctionDef) -> int:
    """Return the last line of the call of the parent's constructor, or else the line before the body."""
    calls = [node for node in init.body if "super().__init__" in ast.unparse(node)]
    return (calls[0].end_lineno or calls[0].lineno) if calls else init.body[0].lineno - 1


def _rename(symptom: Symptom, wrong: str, right: str) -> Fix | None:
    """Replace every occurrence of a name or attribute."""
    edits: list[tuple[ast.AST, str]] = [(n, right) for n in symptom.nodes(ast.Name) if n.id == wrong]
    source = replace_nodes(symptom.source, edits)
    source = re.sub(rf"\.{re.escape(wrong)}\b", f".{right}", source)
    return Fix(source, f"renamed {wrong}, which does not exist, to {right}") if source != symptom.source else None


RULES = (python_suggestion, undefined_name, missing_attribute)
