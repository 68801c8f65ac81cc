"""Rules on what a source may import and name: one set for native architectures, one for published layers."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agents.admission.source_tree import LOOPS
from architecture.imports import ALLOWED_IMPORTS, NATIVE_IMPORTS, PUBLISHED_IMPORTS, module_names

_FORBIDDEN_NAMES = frozenset((
    "exec", "eval", "compile", "open", "input", "breakpoint", "__import__", "globals", "locals", "vars",
    "getattr", "setattr", "delattr", "exit", "quit",
))  # fmt: skip
_FORBIDDEN_TORCH = frozenset((
    "hub", "load", "save", "package", "classes", "ops", "jit", "utils", "distributed", "multiprocessing",
    "from_file", "_C", "serialization", "library",
))  # fmt: skip
_PUBLISHED_ALLOWED_NAMES = frozenset((
    "getattr", "setattr", "delattr", "vars", "globals", "locals", "input", "compile",
    "utils", "ops", "jit", "library", "distributed", "_C",
))  # fmt: skip
"""Names that published files use, some of them as names of arguments."""
_ALLOWED_DUNDERS = frozenset({"__init__", "__name__", "__version__", "__future__", "__all__"})


@dataclass(frozen=True)
class SourceFault:
    """One fault of a source."""

    reason: str
    """Reason code: syntax, too_large, import, no_module, several_modules, signature, forbidden, global_state."""
    message: str
    """The fault in one line."""
    line: int | None = None
    """Its line, counted from 1; None if the fault is of the whole source."""


@dataclass(frozen=True)
class Rules:
    """What a source may use."""

    imports: frozenset[str]
    """Top-level packages that it may import."""
    forbidden_names: frozenset[str]
    """Names that it may not use."""
    forbidden_torch: frozenset[str]
    """Parts of torch that it may not use."""
    published: bool
    """Whether it was written elsewhere: then it may import relatively, use Python's machinery and print in loops."""


NATIVE = Rules(ALLOWED_IMPORTS, _FORBIDDEN_NAMES, _FORBIDDEN_TORCH, published=False)
"""Rules on architectures that are written for this lab."""
PUBLISHED = Rules(
    ALLOWED_IMPORTS | PUBLISHED_IMPORTS,
    _FORBIDDEN_NAMES - _PUBLISHED_ALLOWED_NAMES,
    _FORBIDDEN_TORCH - _PUBLISHED_ALLOWED_NAMES,
    published=True,
)
"""Rules on published layer files."""


def import_faults(nodes: Iterable[ast.AST], rules: Rules) -> Iterator[SourceFault]:
    """Yield imports outside the allowed packages, and imports of forbidden parts of torch."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            if not rules.published:
                yield SourceFault("import", "relative imports have nothing to refer to", node.lineno)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for module in module_names(node):
                if not _may_import(module, rules):
                    yield import_fault(module, node.lineno)
            if isinstance(node, ast.ImportFrom):
                yield from _member_faults(node, rules)


def _may_import(module: str, rules: Rules) -> bool:
    package, *parts = module.split(".")
    if package == "torch" and module != "torch.utils.checkpoint" and not rules.forbidden_torch.isdisjoint(parts):
        return False
    return package in rules.imports


def _member_faults(node: ast.ImportFrom, rules: Rules) -> Iterator[SourceFault]:
    """Yield the names that a `from` statement may not take from its module."""
    names = {alias.name for alias in node.names}
    refused = names & (rules.forbidden_torch if node.module == "torch" else set()) or names & {"*"}
    yield from (import_fault(f"{node.module}.{name}", node.lineno) for name in sorted(refused))


def import_fault(module: str, line: int) -> SourceFault:
    """Return the fault of an import that is not allowed."""
    allowed = ", ".join(sorted(NATIVE_IMPORTS))
    return SourceFault("import", f"cannot import {module}: an architecture may import {allowed}", line)


def name_faults(nodes: Iterable[ast.AST], rules: Rules) -> Iterator[SourceFault]:
    """Yield names and attributes that no mixer needs (execution, files, introspection), and output in loops."""
    for node in nodes:
        if isinstance(node, ast.Name):
            if node.id in rules.forbidden_names or _is_forbidden_dunder(node.id, rules):
                yield forbidden_fault(node.id, node.lineno)
        elif isinstance(node, ast.Attribute):
            if _is_forbidden_dunder(node.attr, rules):
                yield forbidden_fault(node.attr, node.lineno)
            elif node.attr in rules.forbidden_torch and isinstance(node.value, ast.Name) and node.value.id == "torch":
                yield forbidden_fault(f"torch.{node.attr}", node.lineno)
        elif isinstance(node, LOOPS) and not rules.published:
            yield from _print_faults(node)


def forbidden_fault(name: str, line: int) -> SourceFault:
    """Return the fault of a name that is not allowed."""
    return SourceFault("forbidden", f"{name} is not allowed in an architecture", line)


def _is_forbidden_dunder(name: str, rules: Rules) -> bool:
    """Whether a name reaches into Python's machinery where it may not."""
    return not rules.published and name.startswith("__") and name.endswith("__") and name not in _ALLOWED_DUNDERS


def _print_faults(loop: ast.AST) -> Iterator[SourceFault]:
    """Yield calls of print inside a loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield SourceFault("forbidden", "print in a loop would flood the log", node.lineno)
