"""The syntax tree of an architecture's source, as the static check looks at it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_IN_LOOP = (ast.For, ast.While, ast.AsyncFor)
_LOOKED_AT = frozenset((*_IN_LOOP, ast.Name, ast.Attribute, ast.Import, ast.ImportFrom, ast.Global, ast.Try))
"""Kinds of nodes that some rule is about."""
_SIGNS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_LEAVES = frozenset((ast.Name, ast.Constant, *(kind for sign in _SIGNS for kind in sign.__subclasses__())))
"""Kinds of nodes with nothing below that is looked at."""
_DUNDERS = frozenset({"__init__", "__name__", "__version__", "__future__", "__all__"})


@dataclass(frozen=True)
class SourceFault:
    """What is wrong with a source."""

    reason: str
    """Reason code: syntax, too_large, import, no_module, several_modules, signature, forbidden, global_state."""
    message: str
    """One line for a reader."""
    line: int | None = None
    """Where, counted from 1."""


@dataclass(frozen=True)
class Rules:
    """What a source may use."""

    tools: frozenset[str]
    """Packages that a message names as those to import."""
    imports: frozenset[str]
    """Top-level packages that it may import."""
    names: frozenset[str]
    """Names that it may not use."""
    torch: frozenset[str]
    """Parts of torch that it may not use."""
    published: bool
    """Whether it was written elsewhere: then it may import relatively, use Python's machinery and print in loops."""


def executed(tree: ast.AST) -> list[ast.AST]:
    """Return what the rules look at, in the order of the source.

    That is but for what stands under `if TYPE_CHECKING` or `if __name__ == "__main__"`.
    """
    found: list[ast.AST] = []
    left = [tree]
    while left:
        node = left.pop()
        kind = type(node)
        if kind in _LOOKED_AT:
            found.append(node)
        if kind not in _LEAVES:
            below: list[ast.AST] = []
            for field in kind._fields:
                value = getattr(node, field, None)
                if isinstance(value, ast.AST):
                    below.append(value)
                elif isinstance(value, list) and not (field == "body" and _is_skipped(node)):
                    below += [child for child in value if isinstance(child, ast.AST)]
            below.reverse()
            left += below
    return found


def _is_skipped(node: ast.AST) -> bool:
    """Whether what a node is about is not executed."""
    return isinstance(node, ast.If) and (is_for_types(node) or _is_for_scripts(node))


def is_for_types(node: ast.If) -> bool:
    """Whether a condition holds for type checkers only."""
    return isinstance(node.test, ast.Name | ast.Attribute) and name_of(node.test) == "TYPE_CHECKING"


def _is_for_scripts(node: ast.If) -> bool:
    """Whether a condition asks if the file is run as a program."""
    return isinstance(node.test, ast.Compare) and ast.unparse(node.test.left) == "__name__"


def name_of(node: ast.Name | ast.Attribute) -> str:
    """Return the identifier of a name or attribute."""
    return node.id if isinstance(node, ast.Name) else node.attr


def arguments_of(node: ast.ClassDef, name: str) -> dict[str, bool]:
    """Return a method's arguments behind self, and whether each has a default."""
    method = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == name), None)
    if method is None:
        return {}
    arguments = method.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(names) - len(arguments.defaults)
    found = {name: place >= first_default for place, name in enumerate(names) if place}
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return found | {argument.arg: default is not None for argument, default in keywords}


def imports(nodes: list[ast.AST], rules: Rules) -> Iterator[SourceFault]:
    """Yield imports outside the allowed packages, and the parts of torch that touch the outside world."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            if not rules.published:
                yield SourceFault("import", "relative imports have nothing to refer to", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            yield from _import_of(node.module or "", node.lineno, rules)
            names = {alias.name for alias in node.names}
            hidden = names & (rules.torch if node.module == "torch" else set()) or names & {"*"}
            yield from (no_import(f"{node.module}.{name}", node.lineno, rules) for name in sorted(hidden))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _import_of(alias.name, node.lineno, rules)


def _import_of(module: str, line: int, rules: Rules) -> Iterator[SourceFault]:
    """Whether one dotted module name may be imported."""
    parts = module.split(".")
    hidden = parts[0] == "torch" and rules.torch.intersection(parts[1:]) and module != "torch.utils.checkpoint"
    if parts[0] not in rules.imports or hidden:
        yield no_import(module, line, rules)


def no_import(module: str, line: int, rules: Rules) -> SourceFault:
    """Return the fault of an import that is not allowed."""
    allowed = ", ".join(sorted(rules.tools))
    return SourceFault("import", f"cannot import {module}: an architecture may import {allowed}", line)


def forbidden(nodes: list[ast.AST], rules: Rules) -> Iterator[SourceFault]:
    """Names and attributes that no mixer needs: execution, files, introspection, output in loops."""
    for node in nodes:
        if isinstance(node, ast.Name):
            if node.id in rules.names or (_is_dunder(node.id) and not rules.published):
                yield SourceFault("forbidden", f"{node.id} is not allowed in an architecture", node.lineno)
        elif isinstance(node, ast.Attribute):
            if _is_dunder(node.attr) and not rules.published:
                yield SourceFault("forbidden", f"{node.attr} is not allowed in an architecture", node.lineno)
            elif node.attr in rules.torch and isinstance(node.value, ast.Name) and node.value.id == "torch":
                yield SourceFault("forbidden", f"torch.{node.attr} is not allowed in an architecture", node.lineno)
        elif isinstance(node, _IN_LOOP) and not rules.published:
            yield from _prints(node)


def _is_dunder(name: str) -> bool:
    """Whether a name reaches into Python's machinery."""
    return name.startswith("__") and name.endswith("__") and name not in _DUNDERS


def _prints(loop: ast.AST) -> Iterator[SourceFault]:
    """Yield calls of print inside a loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield SourceFault("forbidden", "print in a loop would flood the log", node.lineno)
