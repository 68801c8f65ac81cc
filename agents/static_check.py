"""A fast look at an architecture's source before anything runs it: is it one mixer, in the accepted form?

Pure analysis of the syntax tree. It is a courtesy to whoever wrote the source (clear words within a millisecond) and it
keeps obvious mistakes away from the trainer. It is NOT the security boundary: Python can be written so that no reader
of its tree sees what it does, and only the trainer's jail contains it.
"""

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_TOOLS = frozenset({"torch", "math", "typing", "dataclasses", "einops", "kernels"})
ALLOWED_IMPORTS = _TOOLS | frozenset((
    "__future__", "abc", "collections", "contextlib", "copy", "enum", "fla", "functools", "itertools", "logging",
    "numbers", "operator", "typing_extensions", "warnings",
))  # fmt: skip
"""Top-level packages that an architecture may import: its tools, and what does no harm."""
MOST_CHARACTERS = 200_000
"""A longer source is refused unread."""

_FORBIDDEN_NAMES = frozenset((
    "exec", "eval", "compile", "open", "input", "breakpoint", "__import__", "globals", "locals", "vars",
    "getattr", "setattr", "delattr", "exit", "quit",
))  # fmt: skip
_FORBIDDEN_TORCH = frozenset((
    "hub", "load", "save", "package", "classes", "ops", "jit", "utils", "distributed", "multiprocessing",
    "from_file", "_C", "serialization", "library",
))  # fmt: skip
_LENIENT = frozenset((
    "getattr", "setattr", "delattr", "vars", "globals", "locals", "input", "compile",
    "utils", "ops", "jit", "library", "distributed", "_C",
))  # fmt: skip
"""Allowed in a layer of fla's form: published layers use them, some as names of arguments."""
_LAYER_IMPORTS = ALLOWED_IMPORTS | {
    "flash_attn", "inspect", "numpy", "os", "packaging", "random", "re", "string", "sys", "time", "traceback",
    "transformers", "types",
}  # fmt: skip
"""What a layer of fla's form may import: what published files take a name or two from."""
_OF_THE_SYSTEM = {
    "os": frozenset({"environ", "getenv", "path", "cpu_count"}),
    "sys": frozenset({"version_info", "version", "maxsize", "platform", "stderr", "stdout", "float_info"}),
}
"""What such a file may ask the system."""
_WIDTHS = frozenset(("hidden_size", "d_model", "embed_dim", "dim"))
_HEADS = frozenset(("num_heads", "n_heads", "n_head", "heads"))
_GIVEN = _WIDTHS | _HEADS | {"layer_idx", "head_dim", "config"}
"""Arguments that the trainer gives to a layer of fla's form, by name."""
_DUNDERS = frozenset({"__init__", "__name__", "__version__", "__future__", "__all__"})
_AT_TOP = (
    ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Expr, ast.Assign, ast.AnnAssign, ast.Pass,
)  # fmt: skip
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_IN_LOOP = (ast.For, ast.While, ast.AsyncFor)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a source."""

    reason: str
    """Reason code: syntax, too_large, import, no_module, several_modules, signature, forbidden, global_state."""
    message: str
    """One line for a reader."""
    line: int | None = None
    """Where, counted from 1."""


def check(source: str) -> Fault | None:
    """Return the first fault of a source, or None. Never raises, whatever the text."""
    if len(source) > MOST_CHARACTERS:
        return Fault("too_large", f"the source has {len(source)} characters, at most {MOST_CHARACTERS} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings are the author's style
            tree = ast.parse(source)
        return next(_faults(tree), None)
    except SyntaxError as error:
        return Fault("syntax", f"not valid Python: {error.msg}", error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes, lone surrogates, absurd nesting
        return Fault("syntax", f"cannot be parsed: {_one_line(error)}")


def _faults(tree: ast.Module) -> Iterator[Fault]:
    """Every fault, in the order in which an author wants to hear of them.

    A layer of fla's form is a published file that is tried as it is: only what can't work here is held against it.
    """
    nodes = list(_executed(tree))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    layers = [] if any(map(_is_mixer, classes)) else [node for node in classes if _is_fla_layer(node)]
    if layers:
        optional = set(_guarded(nodes))
        yield from _imports(
            [node for node in nodes if node not in optional], _LAYER_IMPORTS, _FORBIDDEN_TORCH - _LENIENT
        )
        yield from _forbidden(nodes, lenient=True)
        yield from _of_the_system(nodes)
        yield from _fla_signature(layers)
    else:
        yield from _imports(nodes, ALLOWED_IMPORTS, _FORBIDDEN_TORCH)
        yield from _forbidden(nodes, lenient=False)
        yield from _global_state(tree, nodes)
        yield from _mixer([node for node in classes if _is_module(node)])


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below one, but for what stands under `if TYPE_CHECKING` or `if __name__ == "__main__"`."""
    yield node
    skipped = node.body if isinstance(node, ast.If) and (_is_for_types(node) or _is_for_scripts(node)) else []
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _executed(child)


def _is_for_types(node: ast.If) -> bool:
    """Whether a condition holds for type checkers only."""
    return isinstance(node.test, ast.Name | ast.Attribute) and _name_of(node.test) == "TYPE_CHECKING"


def _is_for_scripts(node: ast.If) -> bool:
    """Whether a condition asks if the file is run as a program."""
    return isinstance(node.test, ast.Compare) and ast.unparse(node.test.left) == "__name__"


def _guarded(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Yield imports of others' packages under `try`: that these are missing the file meets itself."""
    for node in nodes:
        if isinstance(node, ast.Try) and node.handlers:
            for inner in (found for statement in node.body for found in ast.walk(statement)):
                if isinstance(inner, ast.Import | ast.ImportFrom) and not _is_of_python(inner):
                    yield inner


def _is_of_python(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import is of Python's own library, or relative."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    relative = isinstance(node, ast.ImportFrom) and node.level > 0
    return relative or any(name.partition(".")[0] in sys.stdlib_module_names for name in names)


def _imports(nodes: list[ast.AST], allowed: frozenset[str], torchs: frozenset[str]) -> Iterator[Fault]:
    """Yield imports outside the allowed packages, and the parts of torch that touch the outside world."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            yield Fault("import", "relative imports have nothing to refer to", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            yield from _import_of(node.module or "", node.lineno, allowed, torchs)
            names = {alias.name for alias in node.names}
            hidden = names & (torchs if node.module == "torch" else set()) or names & {"*"}
            yield from (_no_import(f"{node.module}.{name}", node.lineno) for name in sorted(hidden))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _import_of(alias.name, node.lineno, allowed, torchs)


def _import_of(module: str, line: int, allowed: frozenset[str], torchs: frozenset[str]) -> Iterator[Fault]:
    """Whether one dotted module name may be imported."""
    parts = module.split(".")
    hidden = parts[0] == "torch" and torchs.intersection(parts[1:]) and module != "torch.utils.checkpoint"
    if parts[0] not in allowed or hidden:
        yield _no_import(module, line)


def _no_import(module: str, line: int) -> Fault:
    """Return the fault of an import that is not allowed."""
    allowed = ", ".join(sorted(_TOOLS))
    return Fault("import", f"cannot import {module}: an architecture may import {allowed}", line)


def _forbidden(nodes: list[ast.AST], *, lenient: bool) -> Iterator[Fault]:
    """Names and attributes that no mixer needs: execution, files, introspection, output in loops."""
    names, torchs = (
        (_FORBIDDEN_NAMES, _FORBIDDEN_TORCH)
        if not lenient
        else (_FORBIDDEN_NAMES - _LENIENT, _FORBIDDEN_TORCH - _LENIENT)
    )
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in names:
            yield Fault("forbidden", f"{node.id} is not allowed in an architecture", node.lineno)
        elif isinstance(node, ast.Name | ast.Attribute) and _is_dunder(node) and not lenient:
            yield Fault("forbidden", f"{_name_of(node)} is not allowed in an architecture", node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "torch" and node.attr in torchs:
                yield Fault("forbidden", f"torch.{node.attr} is not allowed in an architecture", node.lineno)
        elif isinstance(node, _IN_LOOP):
            yield from _prints(node)


def _of_the_system(nodes: list[ast.AST]) -> Iterator[Fault]:
    """Yield what a file does with `os` and `sys` beyond asking."""
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            may = _OF_THE_SYSTEM.get(node.value.id) if node.value.id in imported else None
            if may is not None and node.attr not in may:
                yield Fault("forbidden", f"{node.value.id}.{node.attr} is not allowed in an architecture", node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module in _OF_THE_SYSTEM:
            hidden = {alias.name for alias in node.names} - _OF_THE_SYSTEM[node.module]
            yield from (_no_import(f"{node.module}.{name}", node.lineno) for name in sorted(hidden))


def _is_dunder(node: ast.Name | ast.Attribute) -> bool:
    """Whether a name reaches into Python's machinery."""
    name = _name_of(node)
    return name.startswith("__") and name.endswith("__") and name not in _DUNDERS


def _name_of(node: ast.Name | ast.Attribute) -> str:
    """Return the identifier of a name or attribute."""
    return node.id if isinstance(node, ast.Name) else node.attr


def _prints(loop: ast.AST) -> Iterator[Fault]:
    """Yield calls of print inside a loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield Fault("forbidden", "print in a loop would flood the log", node.lineno)


def _global_state(tree: ast.Module, nodes: list[ast.AST]) -> Iterator[Fault]:
    """Anything at the top but imports, constants, functions and classes; `global` anywhere."""
    for node in nodes:
        if isinstance(node, ast.Global):
            yield Fault("global_state", f"global {', '.join(node.names)}: a mixer keeps no state", node.lineno)
    for node in tree.body:
        if isinstance(node, ast.If) and _is_for_types(node):
            continue
        if not isinstance(node, _AT_TOP):
            kind = type(node).__name__.lower()
            yield Fault("global_state", f"{kind} at the top of the file, where only definitions stand", node.lineno)
        elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield Fault("global_state", "a call at the top of the file would run on import", node.lineno)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, _MUTABLE) and not _is_export(node):
            yield Fault(
                "global_state", "a mutable object at the top of the file would be shared by all layers", node.lineno
            )


def _is_export(node: ast.Assign | ast.AnnAssign) -> bool:
    """Whether an assignment lists what a file exports."""
    return isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == ["__all__"]


def _mixer(modules: list[ast.ClassDef]) -> Iterator[Fault]:
    """Exactly one module class is constructed as a mixer is; helper modules may stand beside it."""
    mixers = [node for node in modules if _is_mixer(node)]
    if not modules:
        yield Fault("no_module", "there is no class derived from torch.nn.Module")
    elif len(mixers) > 1:
        names = ", ".join(node.name for node in mixers)
        yield Fault("several_modules", f"one mixer is expected, found {names}", mixers[1].lineno)
    else:
        yield from _signature((mixers or modules)[-1])


def _is_mixer(node: ast.ClassDef) -> bool:
    """Whether a class's constructor begins as a mixer's does."""
    found = [m.args.args[1:3] for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"]
    return any([argument.arg for argument in arguments] == ["d_model", "n_heads"] for arguments in found)


def _is_fla_layer(node: ast.ClassDef) -> bool:
    """Whether a class's constructor takes a width and heads by one of their usual names, or a configuration."""
    names = set(_arguments(node, "__init__"))
    return bool(names & {"hidden_size", "config"} or (names & _WIDTHS and names & _HEADS))


def _fla_signature(layers: list[ast.ClassDef]) -> Iterator[Fault]:
    """Of one class at least, all arguments of the constructor have a default or are given by the trainer."""
    taken = [(node, _arguments(node, "__init__").items()) for node in layers]
    lacking = [
        (node, [name for name, optional in found if not optional and name not in _GIVEN]) for node, found in taken
    ]
    if all(names for _, names in lacking):
        node, names = lacking[-1]
        yield Fault("signature", f"__init__ takes {', '.join(names)}, for which there is no default", node.lineno)


def _arguments(node: ast.ClassDef, name: str) -> dict[str, bool]:
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


def _is_module(node: ast.ClassDef) -> bool:
    """Whether a class names nn.Module (however spelled) among its bases."""
    return any(_name_of(base) == "Module" for base in node.bases if isinstance(base, ast.Name | ast.Attribute))


def _signature(node: ast.ClassDef) -> Iterator[Fault]:
    """`__init__(self, d_model, n_heads, layer_idx=0)` and `forward(self, x)`, further arguments only with defaults."""
    methods = {method.name: method for method in node.body if isinstance(method, ast.FunctionDef)}
    for method, wanted in (("__init__", ["self", "d_model", "n_heads", "layer_idx"]), ("forward", ["self", "x"])):
        if method not in methods:
            yield Fault("signature", f"{node.name} has no {method}({', '.join(wanted)})", node.lineno)
            continue
        arguments, line = methods[method].args, methods[method].lineno
        names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        required = names[: len(names) - len(arguments.defaults)]
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        rest = [argument.arg for argument, default in keywords if default is None]
        fits = names[: len(wanted)] == wanted and set(required) <= set(wanted) and not rest
        if not (fits or (method == "forward" and _single_input(names, required, rest))):
            yield Fault(
                "signature", f"{method} takes ({', '.join([*names, *rest])}), expected ({', '.join(wanted)})", line
            )


def _single_input(names: list[str], required: list[str], rest: list[str]) -> bool:
    """Whether a forward pass takes one required input, whatever it is called."""
    return names[:1] == ["self"] and len(required) == 2 and not rest


def _one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
