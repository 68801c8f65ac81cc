"""Missing imports and imports of packages that an architecture may not have."""

import ast
import re

from agents.repair.edits import Fix, insert_line, node_text, replace_nodes
from agents.repair.symptom import Symptom
from architecture.imports import ALLOWED_IMPORTS

_KERNELS = (
    "causal_conv1d", "feature_map", "linear_recurrence", "recurrence_step", "rms_norm", "rotary", "window_attention",
)  # fmt: skip
_HOMES = {
    "torch": "import torch",
    "math": "import math",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "Tensor": "from torch import Tensor",
    "rearrange": "from einops import rearrange",
    "repeat": "from einops import repeat",
    "einsum": "from torch import einsum",
    "einops": "import einops",
    "dataclass": "from dataclasses import dataclass",
    "Optional": "from typing import Optional",
    "Tuple": "from typing import Tuple",
    "List": "from typing import List",
    "Any": "from typing import Any",
    **{name: f"from kernels import {name}" for name in _KERNELS},
}
"""Names that mixers often use, and the import that each needs."""
_NUMPY = {
    "sqrt": "math.sqrt",
    "log": "math.log",
    "exp": "math.exp",
    "pi": "math.pi",
    "log2": "math.log2",
    "prod": "math.prod",
}


def missing_import(symptom: Symptom) -> Fix | None:
    """Add the import that an undefined name needs."""
    match = symptom.last_match(r"name '(\w+)' is not defined")
    if match and match[1] in _HOMES:
        return Fix(with_import(symptom.source, _HOMES[match[1]]), f"added the missing `{_HOMES[match[1]]}`")
    return None


def forbidden_import(symptom: Symptom) -> Fix | None:
    """Drop an import that is not allowed, and replace numpy's scalar functions by those of math."""
    if symptom.reason not in ("import", "import_error") and not symptom.mentions("No module named", "cannot import"):
        return None
    edits, names = [], []
    for node in (*symptom.nodes(ast.Import), *symptom.nodes(ast.ImportFrom)):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        if any(module.split(".")[0] not in ALLOWED_IMPORTS or _is_named(symptom, module) for module in modules):
            edits.append((node, "pass" if node.col_offset else ""))
            names += modules
    if not edits:
        return None
    source = _without_numpy(replace_nodes(symptom.source, edits))
    return Fix(source, f"dropped the import of {', '.join(names)}, which an architecture may not have")


def misspelled_import(symptom: Symptom) -> Fix | None:
    """Import a name from the module that has it, in place of another as in `from torch import functional as F`."""
    match = symptom.last_match(r"cannot import name '(\w+)' from '([\w.]+)'")
    if not match:
        return None
    for node in symptom.nodes(ast.ImportFrom):
        wrong = [alias for alias in node.names if alias.name == match[1]]
        if wrong and match[1] in _HOMES:
            others = [node_text(symptom.source, alias) for alias in node.names if alias.name != match[1]]
            line = f"from {node.module} import {', '.join(others)}" if others else ""
            source = with_import(replace_nodes(symptom.source, [(node, line)]), _HOMES[match[1]])
            return Fix(source, f"took {match[1]} from where it lives")
    return None


def with_import(source: str, line: str) -> str:
    """Return the source with an import before its first other import, or else after its docstring."""
    match = re.search(r"^(import|from) (?!__future__)", source, re.MULTILINE)
    number = source[: match.start()].count("\n") + 1 if match else _behind_docstring(source)
    return insert_line(source, number, line)


def _behind_docstring(source: str) -> int:
    """Return the line of the first statement that is no docstring."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 1
    rest = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    return rest[0].lineno if rest else 1


def _without_numpy(source: str) -> str:
    """Return the source with numpy's scalar functions replaced by those of math, and its others by torch's."""
    changed = re.sub(r"\b(?:np|numpy)\.(\w+)", lambda m: _NUMPY.get(m[1], f"torch.{m[1]}"), source)
    needs = "math." in changed and not re.search(r"^import math", changed, re.MULTILINE)
    return with_import(changed, "import math") if needs else changed


def _is_named(symptom: Symptom, module: str) -> bool:
    """Return whether the error names this module, such as a missing part of an allowed package."""
    match = symptom.last_match(r"No module named '([\w.]+)'")
    return bool(match) and match[1] == module


def reads_name(source: str, name: str) -> bool:
    """Return whether a source uses a name anywhere."""
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(source)))


def defines_name(source: str, name: str) -> bool:
    """Return whether a source imports or assigns a name anywhere."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = {a.asname or a.name for n in nodes if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
    return name in imported | {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


RULES = (misspelled_import, missing_import, forbidden_import)
