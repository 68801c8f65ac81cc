"""Copies functions out of `kernels` as source text, with all that they need, so that a file can stand alone.

The text is the lab's own, with comments and docstrings: names are followed from one module of `kernels` to the next,
and definitions come before their use. Two modules may have private names in common, and a mixer may define a name that
a kernel has. Then the copy is renamed.
"""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL_COMMENTS = re.compile(r"\s*# (noqa|pyright|type|ruff):.*$", re.MULTILINE)
"""Comments to this project's own tools."""

Definition = tuple[str, str]
"""A module of `kernels`, and a name that it defines at its top level."""


@dataclass(frozen=True)
class ModuleText:
    """A module of `kernels`, as text."""

    lines: list[str]
    definitions: dict[str, ast.stmt]
    """Statements that define a name."""
    imported: dict[str, Definition]
    """Names that come from other modules of `kernels`."""
    libraries: dict[str, str]
    """Names that come from libraries, with the import statement of each."""


@dataclass
class Inlined:
    """Copied definitions, in an order in which each stands after those that it needs."""

    taken: Collection[str]
    """Names that the copies may not have."""
    libraries: dict[str, str] = field(default_factory=dict)
    """Import statements that the copies need, by name."""
    names: dict[Definition, str] = field(default_factory=dict)
    """The name of each copy."""
    texts: list[str] = field(default_factory=list)

    def add(self, wanted: Definition) -> str:
        """Copy a definition and all that it needs, once, and return its name. Raises KeyError if there is none."""
        wanted = _home_of(wanted)
        if wanted in self.names:
            return self.names[wanted]
        module, name = wanted
        text = _module_text(module)
        statement = text.definitions[name]
        self.names[wanted] = self._free_name(wanted)
        renamed = {name: self.names[wanted]}
        for used in sorted(_names_in(statement)):
            if used in text.libraries:
                self.libraries[used] = text.libraries[used]
            elif used in text.imported or used in text.definitions:
                renamed[used] = self.add(text.imported.get(used, (module, used)))
        self.texts.append(_renamed(_source_of(text, statement), renamed))
        return self.names[wanted]

    def _free_name(self, wanted: Definition) -> str:
        """Return the definition's own name, or one with its module's name if that is taken."""
        module, name = wanted
        used = {*self.taken, *self.names.values()}
        return name if name not in used else f"_{module.rpartition('.')[2]}_{name.lstrip('_')}"


@cache
def _module_text(module: str) -> ModuleText:
    """Read a module of `kernels`."""
    path = ROOT.joinpath(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    text = ModuleText(source.splitlines(), {}, {}, {})
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            _read_import(text, statement)
        else:
            text.definitions.update(dict.fromkeys(_defined(statement), statement))
    return text


def _read_import(text: ModuleText, statement: ast.Import | ast.ImportFrom) -> None:
    """Note the names that an import statement binds."""
    for alias in statement.names:
        bound = alias.asname or alias.name.partition(".")[0]
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").partition(".")[0] == "kernels":
            text.imported[bound] = (statement.module or "", alias.name)
        else:
            suffix = f" as {alias.asname}" if alias.asname else ""
            origin = f"from {statement.module} " if isinstance(statement, ast.ImportFrom) else ""
            text.libraries[bound] = f"{origin}import {alias.name}{suffix}"


def _defined(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement at the top level defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign):
        yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        yield statement.target.id


def _home_of(wanted: Definition) -> Definition:
    """Follow imports to the module that defines a name."""
    module, name = wanted
    imported = _module_text(module).imported
    return _home_of(imported[name]) if name in imported else wanted


def _names_in(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _source_of(text: ModuleText, statement: ast.stmt) -> str:
    """Return a definition's lines with the comments above it, and the docstring below a constant."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    last = statement.end_lineno or statement.lineno
    while first and text.lines[first - 1].startswith("#"):
        first -= 1
    if isinstance(statement, ast.Assign | ast.AnnAssign) and text.lines[last : last + 1]:
        docstring = text.lines[last].startswith('"""')
        while docstring:
            last += 1
            docstring = not text.lines[last - 1].endswith('"""')
    return TOOL_COMMENTS.sub("", "\n".join(text.lines[first:last]))


def _renamed(source: str, names: Mapping[str, str]) -> str:
    """Return a text with other names for some; a name after a dot is an attribute and stays."""
    for name, new in names.items():
        if name != new:
            source = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", new, source)
    return source
