"""What an architecture file may import, and how its import statements are read."""

import ast
from collections.abc import Iterable, Iterator

ImportStatement = ast.Import | ast.ImportFrom

NATIVE_IMPORTS = frozenset({"torch", "math", "typing", "dataclasses", "einops", "kernels"})
"""Packages that an architecture is written with."""
ALLOWED_IMPORTS = NATIVE_IMPORTS | frozenset((
    "__future__", "abc", "collections", "contextlib", "copy", "enum", "fla", "functools", "itertools", "logging",
    "numbers", "operator", "typing_extensions", "warnings",
))  # fmt: skip
"""Top-level packages that every architecture may import: those it is written with, and harmless ones."""
PUBLISHED_IMPORTS = frozenset((
    "argparse", "bisect", "datetime", "flash_attn", "gc", "heapq", "importlib", "inspect", "json", "numpy", "os",
    "packaging", "pprint", "random", "re", "string", "sys", "time",
    "traceback", "transformers", "triton", "types",
))  # fmt: skip
"""Top-level packages that a published layer file may import as well."""
INTERNAL_PACKAGES = frozenset((
    "agents", "architecture", "benchmarks", "bus", "dashboard", "lab", "memory", "sandbox", "stand_ins", "tests",
    "trainer",
))  # fmt: skip
"""Packages of this project that no architecture may import: all but `kernels`."""


def module_names(statement: ImportStatement) -> list[str]:
    """Return the dotted names of the modules that a statement imports from; "" for `from . import x`."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    return [statement.module or ""]


def guarded_imports(nodes: Iterable[ast.AST]) -> Iterator[ImportStatement]:
    """Yield the import statements in the bodies of `try` statements: the file itself handles their failure."""
    for node in nodes:
        if isinstance(node, ast.Try) and node.handlers:
            for inner in (below for statement in node.body for below in ast.walk(statement)):
                if isinstance(inner, ImportStatement):
                    yield inner
