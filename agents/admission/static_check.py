"""A fast look at an architecture's source before anything runs it: is it one mixer, in the accepted form?

Pure analysis of the syntax tree. It is a courtesy to whoever wrote the source (clear words within a millisecond) and it
keeps obvious mistakes away from the trainer. It is NOT the security boundary: Python can be written so that no reader
of its tree sees what it does, and only the trainer's jail contains it.
"""

import ast
import warnings
from collections.abc import Iterator

from agents.admission.layer_check import faults_of_layers, layers_of
from agents.admission.source_tree import (
    Rules,
    SourceFault,
    arguments_of,
    executed,
    forbidden,
    imports,
    is_for_types,
    name_of,
)

__all__ = ["ALLOWED_IMPORTS", "MAX_SOURCE_CHARACTERS", "SourceFault", "check"]

_TOOLS = frozenset({"torch", "math", "typing", "dataclasses", "einops", "kernels"})
ALLOWED_IMPORTS = _TOOLS | frozenset((
    "__future__", "abc", "collections", "contextlib", "copy", "enum", "fla", "functools", "itertools", "logging",
    "numbers", "operator", "typing_extensions", "warnings",
))  # fmt: skip
"""Top-level packages that an architecture may import: its tools, and what does no harm."""
MAX_SOURCE_CHARACTERS = 200_000
"""A longer source is refused unread."""

_FORBIDDEN_NAMES = frozenset((
    "exec", "eval", "compile", "open", "input", "breakpoint", "__import__", "globals", "locals", "vars",
    "getattr", "setattr", "delattr", "exit", "quit",
))  # fmt: skip
_FORBIDDEN_TORCH = frozenset((
    "hub", "load", "save", "package", "classes", "ops", "jit", "utils", "distributed", "multiprocessing",
    "from_file", "_C", "serialization", "library",
))  # fmt: skip
_RULES = Rules(_TOOLS, ALLOWED_IMPORTS, _FORBIDDEN_NAMES, _FORBIDDEN_TORCH, published=False)
_AT_TOP = (
    ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Expr, ast.Assign, ast.AnnAssign, ast.Pass,
)  # fmt: skip
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def check(source: str) -> SourceFault | None:
    """Return the first fault of a source, or None. Never raises, whatever the text."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return SourceFault(
            "too_large", f"the source has {len(source)} characters, at most {MAX_SOURCE_CHARACTERS} are read"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings are the author's style
            tree = ast.parse(source)
        return next(_faults(tree), None)
    except SyntaxError as error:
        return SourceFault("syntax", f"not valid Python: {error.msg}", error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, lone surrogates, absurd nesting
        return SourceFault("syntax", f"cannot be parsed: {_one_line(error)}")


def _faults(tree: ast.Module) -> Iterator[SourceFault]:
    """Every fault, in the order in which an author wants to hear of them."""
    nodes = executed(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    layers = [] if any(map(_is_native, classes)) else layers_of(classes, nodes)
    if layers:
        yield from faults_of_layers(nodes, layers, _RULES)
    else:
        yield from imports(nodes, _RULES)
        yield from forbidden(nodes, _RULES)
        yield from _global_state(tree, nodes)
        yield from _mixer([node for node in classes if _is_module(node)])


def _global_state(tree: ast.Module, nodes: list[ast.AST]) -> Iterator[SourceFault]:
    """Anything at the top but imports, constants, functions and classes; `global` anywhere."""
    for node in nodes:
        if isinstance(node, ast.Global):
            yield SourceFault("global_state", f"global {', '.join(node.names)}: a mixer keeps no state", node.lineno)
    for node in tree.body:
        if isinstance(node, ast.If) and is_for_types(node):
            continue
        if not isinstance(node, _AT_TOP):
            kind = type(node).__name__.lower()
            yield SourceFault(
                "global_state", f"{kind} at the top of the file, where only definitions stand", node.lineno
            )
        elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield SourceFault("global_state", "a call at the top of the file would run on import", node.lineno)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _MUTABLE) and not _is_export(node):
            yield SourceFault(
                "global_state", "a mutable object at the top of the file would be shared by all layers", node.lineno
            )


def _is_export(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether an assignment lists what a file exports."""
    return isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["__all__"]


def _mixer(modules: list[ast.ClassDef]) -> Iterator[SourceFault]:
    """Exactly one module class is constructed as a mixer is; helper modules may stand beside it."""
    mixers = [node for node in modules if _is_mixer(node)]
    if not modules:
        yield SourceFault("no_module", "there is no class derived from torch.nn.Module")
    elif len(mixers) > 1:
        names = ", ".join(node.name for node in mixers)
        yield SourceFault("several_modules", f"one mixer is expected, found {names}", mixers[1].lineno)
    else:
        yield from _signature((mixers or modules)[-1])


def _is_mixer(node: ast.ClassDef) -> bool:
    """Whether a class's constructor begins as a mixer's does."""
    return list(arguments_of(node, "__init__"))[:2] == ["d_model", "n_heads"]


def _is_native(node: ast.ClassDef) -> bool:
    """Whether a class is constructed as this lab's own mixers are; published ones begin alike and go on otherwise."""
    return list(arguments_of(node, "__init__"))[:3] == ["d_model", "n_heads", "layer_idx"]


def _is_module(node: ast.ClassDef) -> bool:
    """Whether a class names nn.Module (however spelled) among its bases."""
    return any(name_of(base) == "Module" for base in node.bases if isinstance(base, ast.Name | ast.Attribute))


def _signature(node: ast.ClassDef) -> Iterator[SourceFault]:
    """`__init__(self, d_model, n_heads, layer_idx=0)` and `forward(self, x)`, further arguments only with defaults."""
    methods = {method.name: method for method in node.body if isinstance(method, ast.FunctionDef)}
    for method, wanted in (("__init__", ["self", "d_model", "n_heads", "layer_idx"]), ("forward", ["self", "x"])):
        if method not in methods:
            yield SourceFault("signature", f"{node.name} has no {method}({', '.join(wanted)})", node.lineno)
            continue
        arguments, line = methods[method].args, methods[method].lineno
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        required = names[: len(names) - len(arguments.defaults)]
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        rest = [argument.arg for argument, default in keywords if default is None]
        fits = names[: len(wanted)] == wanted and set(required) <= set(wanted) and not rest
        if not (fits or (method == "forward" and _single_input(names, required, rest))):
            yield SourceFault(
                "signature", f"{method} takes ({', '.join([*names, *rest])}), expected ({', '.join(wanted)})", line
            )


def _single_input(names: list[str], required: list[str], rest: list[str]) -> bool:
    """Whether a forward pass takes one required input, whatever it is called."""
    return names[:1] == ["self"] and len(required) == 2 and not rest


def _one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
