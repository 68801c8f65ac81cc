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


def test_every_room_but_kernels_is_internal() -> None:
    """A new room is refused to architectures from its first day."""
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
    """By their dotted names, whatever they are bound to."""
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ImportStatement)
    assert module_names(statement) == expected


def test_imports_under_try_are_guarded() -> None:
    """Imports in the body count, at any depth; those in a handler or without handlers don't."""
    source = (
        "try:\n    import a\n    if 1:\n        from b import c\nexcept ImportError:\n    import d\n"
        "try:\n    import e\nfinally:\n    pass\nimport f\n"
    )
    statements = guarded_imports(ast.walk(ast.parse(source)))
    assert [module_names(statement) for statement in statements] == [["a"], ["b"]]


def test_the_room_imports_the_standard_library_only() -> None:
    """Agents, the trainer and code in the sandbox import it alike."""
    modules = ", ".join(f"architecture.{path.stem}" for path in (ROOT / "architecture").glob("[a-z]*.py"))
    code = (
        f"import sys; before = set(sys.modules); import {modules}\n"
        "packages = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(packages - sys.stdlib_module_names))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert shown.stdout.strip() == "['architecture']"
