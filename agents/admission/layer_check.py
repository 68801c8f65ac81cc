"""The static check of a published layer file: it is tried as it is, so only what can't work here is a fault.

Such a file may import widely, guarded or not; `stand_ins` replaces packages that can't run here. It may query the
system through `os` and `sys`, but not change it. This check contains nothing: only the trainer's sandbox does.
"""

import ast
import sys
from collections.abc import Iterator

from agents.admission.rules import PUBLISHED, SourceFault, forbidden_fault, import_fault, import_faults, name_faults
from agents.admission.source_tree import base_names, constructor_arguments
from architecture.forms import is_layer
from architecture.imports import ImportStatement, guarded_imports, module_names
from architecture.names import PROVIDED_ARGUMENTS

_ALLOWED_SYSTEM_NAMES = {
    "os": frozenset({"environ", "getenv", "path", "cpu_count"}),
    "sys": frozenset({"version_info", "version", "maxsize", "platform", "stderr", "stdout", "float_info"}),
}
"""Names of `os` and `sys` that only query the system."""


def layer_classes(classes: list[ast.ClassDef], nodes: list[ast.AST]) -> list[ast.ClassDef]:
    """Return the classes with a layer's constructor, and those derived from a layer of fla or of the file itself."""
    layer_names = set(_fla_layer_names(nodes))
    layers = []
    for node in classes:
        if is_layer(node.name, constructor_arguments(node)) or layer_names & base_names(node):
            layers.append(node)
            layer_names.add(node.name)
    return layers


def _fla_layer_names(nodes: list[ast.AST]) -> Iterator[str]:
    """Yield the names that a file imports from `fla.layers`, or by a relative import."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.level or f"{node.module}.".startswith("fla.layers.")):
            yield from (alias.asname or alias.name for alias in node.names)


def layer_faults(nodes: list[ast.AST], layers: list[ast.ClassDef]) -> Iterator[SourceFault]:
    """Yield the faults of a file that defines these layers."""
    optional = {statement for statement in guarded_imports(nodes) if not _imports_standard_library(statement)}
    yield from import_faults([node for node in nodes if node not in optional], PUBLISHED)
    yield from name_faults(nodes, PUBLISHED)
    yield from _system_faults(nodes)
    yield from _constructor_faults(layers)


def _imports_standard_library(statement: ImportStatement) -> bool:
    return any(name.partition(".")[0] in sys.stdlib_module_names for name in module_names(statement))


def _system_faults(nodes: list[ast.AST]) -> Iterator[SourceFault]:
    """Yield uses of `os` and `sys` that do more than query the system."""
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            allowed = _ALLOWED_SYSTEM_NAMES.get(node.value.id) if node.value.id in imported else None
            if allowed is not None and node.attr not in allowed:
                yield forbidden_fault(f"{node.value.id}.{node.attr}", node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module in _ALLOWED_SYSTEM_NAMES:
            refused = {alias.name for alias in node.names} - _ALLOWED_SYSTEM_NAMES[node.module]
            yield from (import_fault(f"{node.module}.{name}", node.lineno) for name in sorted(refused))


def _constructor_faults(layers: list[ast.ClassDef]) -> Iterator[SourceFault]:
    """Yield a fault if every layer's constructor requires an argument that the trainer doesn't provide."""
    missing = [(node, _unprovided(node)) for node in layers]
    if all(names for _, names in missing):
        node, names = missing[-1]
        yield SourceFault("signature", f"__init__ takes {', '.join(names)}, for which there is no default", node.lineno)


def _unprovided(node: ast.ClassDef) -> list[str]:
    """Return the arguments that a constructor requires and the trainer doesn't provide."""
    arguments = constructor_arguments(node).items()
    return [name for name, has_default in arguments if not has_default and name not in PROVIDED_ARGUMENTS]
