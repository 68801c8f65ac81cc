"""Imports of an architecture: which are allowed, and how statements are read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.imports import (
    ALLOWED_IMPORTS,
    INTERNAL_PACKAGES,
    PUBLISHED_IMPORTS,
    ImportStatement,
    guarded_imports,
    module_names,
)

ROOT = Path(__file__).parents[2]


def test_every_room_except_kernels_is_internal() -> None:
    """So an architecture may not import a new room either."""
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms - {"kernels"} <= INTERNAL_PACKAGES
    assert "kernels" in ALLOWED_IMPORTS
    assert not INTERNAL_PACKAGES & (ALLOWED_IMPORTS | PUBLISHED_IMPORTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import a.b, c as d", ["a.b", "c"]),
        ("from a.b import c", ["a.b"]),
        ("from . import a", [""]),
        ("from .a import b", ["a"]),
    ],
)
def test_a_statement_names_its_modules(text: str, expected: list[str]) -> None:
    """The names are dotted, whatever the statement binds them to."""
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ImportStatement)
    assert module_names(statement) == expected


def test_imports_under_try_are_guarded() -> None:
    """The body of a `try` with a handler is guarded at any depth; the handler is not."""
    source = (
        "try:\n    import a\n    if 1:\n        from b import c\nexcept ImportError:\n    import d\n"
        "try:\n    import e\nfinally:\n    pass\nimport f\n"
    )
    statements = guarded_imports(ast.walk(ast.parse(source)))
    assert [module_names(statement) for statement in statements] == [["a"], ["b"]]


def test_the_room_imports_the_standard_library_only() -> None:
    """Agents, the trainer and code in the sandbox all import this room."""
    modules = ", ".join(f"architecture.{path.stem}" for path in (ROOT / "architecture").glob("[a-z]*.py"))
    code = (
        f"import sys; before = set(sys.modules); import {modules}\n"
        "packages = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(packages - sys.stdlib_module_names))"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "['architecture']"
