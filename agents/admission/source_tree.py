"""The syntax tree of an architecture's source, as the static check reads it."""

import ast

LOOPS = (ast.For, ast.While, ast.AsyncFor)

_RELEVANT = frozenset((*LOOPS, ast.Name, ast.Attribute, ast.Import, ast.ImportFrom, ast.Global, ast.Try))
"""Kinds of nodes that some rule is about."""
_TYPE_CHECKING = ("TYPE_CHECKING", "typing.TYPE_CHECKING")
_SYMBOLS = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_LEAVES = frozenset((ast.Name, ast.Constant, *(kind for symbol in _SYMBOLS for kind in symbol.__subclasses__())))
"""Kinds of nodes that have no relevant node below them."""


def nodes_to_check(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes that the rules are about, in source order.

    Code under `if TYPE_CHECKING` and `if __name__ == "__main__"` never runs here and is left out.
    """
    relevant: list[ast.AST] = []
    pending = [tree]
    while pending:
        node = pending.pop()
        kind = type(node)
        if kind in _RELEVANT:
            relevant.append(node)
        if kind not in _LEAVES:
            pending += reversed(_children(node))
    return relevant


def _children(node: ast.AST) -> list[ast.AST]:
    """Return a node's children that are executed, in source order."""
    children: list[ast.AST] = []
    for field in type(node)._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            children.append(value)
        elif isinstance(value, list) and not (field == "body" and _never_runs(node)):
            children += [child for child in value if isinstance(child, ast.AST)]
    return children


def _never_runs(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and (is_for_type_checkers(node) or _is_for_scripts(node))


def is_for_type_checkers(node: ast.If) -> bool:
    """Whether a condition is `TYPE_CHECKING` of the standard library."""
    return isinstance(node.test, ast.Name | ast.Attribute) and ast.unparse(node.test) in _TYPE_CHECKING


def _is_for_scripts(node: ast.If) -> bool:
    return isinstance(node.test, ast.Compare) and ast.unparse(node.test) == "__name__ == '__main__'"


def identifier(node: ast.Name | ast.Attribute) -> str:
    """Return the last identifier of a name or an attribute."""
    return node.id if isinstance(node, ast.Name) else node.attr


def base_names(node: ast.ClassDef) -> set[str]:
    """Return the last identifiers of a class's bases."""
    return {identifier(base) for base in node.bases if isinstance(base, ast.Name | ast.Attribute)}


def constructor_arguments(node: ast.ClassDef) -> dict[str, bool]:
    """Return the arguments of a class's own `__init__` without `self`, and whether each has a default."""
    method = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
    if method is None:
        return {}
    arguments = method.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(names) - len(arguments.defaults)
    positional = {name: place >= first_default for place, name in enumerate(names) if place}
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return positional | {argument.arg: default is not None for argument, default in keywords}
