"""A fast check of an architecture's source before anything runs it: is it one mixer, in an accepted form?

It reads the syntax tree only. It gives whoever wrote the source a clear answer within milliseconds, and it keeps
obvious mistakes away from the trainer. It is NOT the security boundary: Python can be written so that no reader of its
tree sees what it does. Only the trainer's sandbox contains it.
"""

import ast
import warnings
from collections.abc import Iterator

from agents.admission.layer_check import layer_classes, layer_faults
from agents.admission.rules import NATIVE, SourceFault, import_faults, name_faults
from agents.admission.source_tree import base_names, constructor_arguments, is_for_type_checkers, nodes_to_check
from architecture.forms import NATIVE_CONSTRUCTOR, NATIVE_FORWARD, is_native, takes_native_sizes
from architecture.limits import MAX_SOURCE_CHARACTERS

__all__ = ["SourceFault", "check"]

_TOP_LEVEL_STATEMENTS = (
    ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Expr, ast.Assign, ast.AnnAssign, ast.Pass,
)  # fmt: skip
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def check(source: str) -> SourceFault | None:
    """Return the first fault of a source, or None. Never raises, whatever the text."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return SourceFault(
            "too_large", f"the source has {len(source)} characters, at most {MAX_SOURCE_CHARACTERS} are read"
        )
    if "\0" in source:
        line = source[: source.index("\0")].count("\n") + 1
        return SourceFault("syntax", "not valid Python: a NUL character", line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings are the author's style
            tree = ast.parse(source)
        return next(_faults(tree), None)
    except SyntaxError as error:
        return SourceFault("syntax", f"not valid Python: {error.msg}", error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # lone surrogates, absurd nesting
        return SourceFault("syntax", f"cannot be parsed: {_one_line(error)}")


def _faults(tree: ast.Module) -> Iterator[SourceFault]:
    """Yield every fault, the most useful to an author first."""
    nodes = nodes_to_check(tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    native = any(is_native(constructor_arguments(node)) for node in classes)
    layers = [] if native else layer_classes(classes, nodes)
    if layers:
        yield from layer_faults(nodes, layers)
    else:
        yield from import_faults(nodes, NATIVE)
        yield from name_faults(nodes, NATIVE)
        yield from _global_state_faults(tree, nodes)
        yield from _mixer_faults([node for node in classes if "Module" in base_names(node)])


def _global_state_faults(tree: ast.Module, nodes: list[ast.AST]) -> Iterator[SourceFault]:
    """Yield `global` statements, and top-level code other than imports, constants, functions and classes."""
    for node in nodes:
        if isinstance(node, ast.Global):
            yield SourceFault("global_state", f"global {', '.join(node.names)}: a mixer keeps no state", node.lineno)
    for node in tree.body:
        message = _top_level_problem(node)
        if message:
            yield SourceFault("global_state", message, node.lineno)


def _top_level_problem(node: ast.stmt) -> str:
    """Return why a statement may not stand at the top of a file, "" if it may."""
    if isinstance(node, ast.If) and is_for_type_checkers(node):
        return ""
    if not isinstance(node, _TOP_LEVEL_STATEMENTS):
        return f"{type(node).__name__.lower()} at the top of the file, where only definitions stand"
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        return "a call at the top of the file would run on import"
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _MUTABLE) and not _is_export_list(node):
        return "a mutable object at the top of the file would be shared by all layers"
    return ""


def _is_export_list(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether an assignment sets `__all__`."""
    return isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]


def _mixer_faults(modules: list[ast.ClassDef]) -> Iterator[SourceFault]:
    """Yield the faults of a native file's module classes: one has a mixer's constructor, the others are helpers."""
    mixers = [node for node in modules if takes_native_sizes(constructor_arguments(node))]
    if not modules:
        yield SourceFault("no_module", "there is no class derived from torch.nn.Module")
    elif len(mixers) > 1:
        names = ", ".join(node.name for node in mixers)
        yield SourceFault("several_modules", f"one mixer is expected, found {names}", mixers[1].lineno)
    else:
        yield from _signature_faults((mixers or modules)[-1])


def _signature_faults(node: ast.ClassDef) -> Iterator[SourceFault]:
    """Yield differences from the native form; further arguments are allowed if they have defaults."""
    methods = {method.name: method for method in node.body if isinstance(method, ast.FunctionDef)}
    for name, arguments in (("__init__", NATIVE_CONSTRUCTOR), ("forward", NATIVE_FORWARD)):
        expected = ["self", *arguments]
        if name not in methods:
            yield SourceFault("signature", f"{node.name} has no {name}({', '.join(expected)})", node.lineno)
        else:
            yield from _method_faults(methods[name], expected)


def _method_faults(method: ast.FunctionDef, expected: list[str]) -> Iterator[SourceFault]:
    """Yield a fault if a method's arguments differ from the expected ones."""
    arguments = method.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = names[: len(names) - len(arguments.defaults)]
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required_keywords = [argument.arg for argument, default in keywords if default is None]
    fits = names[: len(expected)] == expected and set(required) <= set(expected)
    # the input of a forward pass may have any name
    one_input = method.name == "forward" and names[:1] == ["self"] and len(required) == 2
    if required_keywords or not (fits or one_input):
        signature, form = ", ".join([*names, *required_keywords]), ", ".join(expected)
        yield SourceFault("signature", f"{method.name} takes ({signature}), expected ({form})", method.lineno)


def _one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
