"""The static check of a researcher program: does its source keep to the protocol, before anything of it runs?

It reads the syntax tree and gives the author one line for each fault. It is NOT the security boundary: Python can be
written so that no reader of its tree sees what it does. Only the sandbox contains a program.
"""

import ast
import builtins
import warnings
from collections.abc import Iterator

from agents.search.programs.faults import ProgramFault

MAX_SOURCE_CHARACTERS = 32_000
"""Most characters of a program: CampaignStarted holds it whole."""
PROTOCOL_MODULES = frozenset({
    "agents.search.policy", "agents.search.guidance", "agents.search.ranking_policy", "agents.search.space",
    "agents.search.spaces",
})  # fmt: skip
"""Modules that a program is written with, besides the built-in policies."""
NO_PROGRAM_MODULES = frozenset({"agents.search.programs", "agents.search.arms"})
"""Parts of `agents.search` that belong to the lab alone."""
LIBRARIES = frozenset({
    "__future__", "abc", "bisect", "bus.delivery.role", "bus.vocabulary", "collections", "dataclasses", "enum",
    "functools", "heapq", "itertools", "math", "operator", "pydantic", "random", "statistics", "typing",
    "typing_extensions",
})  # fmt: skip
"""Other modules that it may import, with the modules below them."""
FROM_RANDOM = frozenset({"Random"})
"""What it may import of `random`: the functions of that module draw from a generator that nobody has seeded."""
FORBIDDEN_NAMES = frozenset({
    "__import__", "breakpoint", "compile", "delattr", "dir", "eval", "exec", "exit", "getattr", "globals", "hasattr",
    "hash", "help", "id", "input", "locals", "memoryview", "open", "print", "quit", "setattr", "vars",
})  # fmt: skip
"""Built-in names that read or write anything but values, or that differ from one process to another."""
FORBIDDEN_ATTRIBUTES = frozenset({"sys", "os", "builtins", "modules", "SystemRandom", "attrgetter", "methodcaller"})
"""Names through which an allowed module leads out of the protocol."""
DUNDERS = frozenset({"__init__", "__future__", "__doc__"})
"""Names with two underscores that a program may write."""
_TOP_LEVEL = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.Expr)
_FORBIDDEN_SYNTAX = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Global, ast.Delete)


def check_program(source: str) -> list[ProgramFault]:
    """Return every fault of a source, in the order of its lines; never raises, whatever the text."""
    if len(source) > MAX_SOURCE_CHARACTERS:
        return [ProgramFault("too_large", f"{len(source)} characters, at most {MAX_SOURCE_CHARACTERS} are read")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in strings are the author's style
            tree = ast.parse(source)
        faults = [*_module_faults(tree), *(fault for node in ast.walk(tree) for fault in _node_faults(node))]
    except SyntaxError as error:
        return [ProgramFault("syntax", f"line {error.lineno}: not valid Python: {error.msg}")]
    except (ValueError, RecursionError, MemoryError) as error:  # NUL characters, absurd nesting
        return [ProgramFault("syntax", f"cannot be parsed: {error}")]
    return [_at(line, reason, message) for line, reason, message in sorted(faults)]


_Fault = tuple[int, str, str]
"""Line, reason, message."""


def _at(line: int, reason: str, message: str) -> ProgramFault:
    return ProgramFault(reason, f"line {line}: {message}" if line else message)


def _module_faults(tree: ast.Module) -> Iterator[_Fault]:
    """Yield what is wrong with the top of the file: only definitions stand there, one of them `POLICY`."""
    for node in tree.body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, _TOP_LEVEL) or (isinstance(node, ast.Expr) and not is_text):
            yield node.lineno, "forbidden", "only imports, constants, functions and classes stand at the top of a file"
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    if not any(isinstance(target, ast.Name) and target.id == "POLICY" for target in targets):
        yield 0, "no_policy", "the file does not set POLICY to its class"


def _node_faults(node: ast.AST) -> Iterator[_Fault]:
    """Yield what is wrong with one node."""
    line = getattr(node, "lineno", 0)
    if isinstance(node, _FORBIDDEN_SYNTAX):
        yield line, "forbidden", f"{_syntax_name(node)}: a policy is pure and keeps no state"
    elif isinstance(node, ast.Import):
        yield from _import_faults(node)
    elif isinstance(node, ast.ImportFrom):
        yield from _import_from_faults(node)
    elif isinstance(node, ast.Name) and (node.id in FORBIDDEN_NAMES or _is_dunder(node.id)):
        kind = "built-in " if hasattr(builtins, node.id) else ""
        yield line, "forbidden", f"the {kind}name {node.id}"
    elif isinstance(node, ast.Attribute):
        yield from _attribute_faults(node)
    elif isinstance(node, ast.Call) and _is_unseeded(node):
        yield (
            line,
            "forbidden",
            "Random() without a seed; the draws of a policy come from the generator that it is given",
        )
    elif isinstance(node, ast.FunctionDef | ast.ClassDef) and _is_dunder(node.name):
        yield line, "forbidden", f"the name {node.name}"


def _import_faults(node: ast.Import) -> Iterator[_Fault]:
    for alias in node.names:
        if alias.name == "random":
            yield node.lineno, "import", "import random: write `from random import Random`"
        elif not _is_allowed(alias.name) or alias.name.startswith("agents."):
            yield node.lineno, "import", f"import {alias.name}: not among what a policy may import"


def _import_from_faults(node: ast.ImportFrom) -> Iterator[_Fault]:
    module = "." * node.level + (node.module or "")
    if not _is_allowed(module):
        yield node.lineno, "import", f"from {module}: not among what a policy may import"
    for alias in node.names:
        private = alias.name.startswith("_") or alias.name == "*" or alias.name in FORBIDDEN_ATTRIBUTES
        if private or (module == "random" and alias.name not in FROM_RANDOM):
            yield node.lineno, "import", f"from {module} import {alias.name}: not among what a policy may import"


def _is_allowed(module: str) -> bool:
    """Return whether a program may import from a module: a library, the protocol, or a built-in policy."""
    parts = module.split(".")
    prefixes = {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
    if prefixes & NO_PROGRAM_MODULES:
        return False
    is_policy = parts[:2] == ["agents", "search"] and len(parts) == 3
    return bool(prefixes & LIBRARIES) or module in PROTOCOL_MODULES or is_policy


def _attribute_faults(node: ast.Attribute) -> Iterator[_Fault]:
    """Yield what is wrong with `value.name`: private names of others, ways out, and assignment."""
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if not isinstance(node.ctx, ast.Load):
        yield (
            node.lineno,
            "forbidden",
            f"assignment to {ast.unparse(node)}: a policy holds no state and changes no class",
        )
    elif node.attr in FORBIDDEN_ATTRIBUTES or _is_dunder(node.attr):
        yield node.lineno, "forbidden", f"the attribute {node.attr}"
    elif node.attr.startswith("_") and node.attr not in DUNDERS and owner not in {"self", "cls"}:
        yield node.lineno, "forbidden", f"the private attribute {node.attr}"


def _is_unseeded(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "Random" and not (node.args or node.keywords)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name not in DUNDERS


def _syntax_name(node: ast.AST) -> str:
    return {"AsyncFunctionDef": "async def", "Delete": "del"}.get(type(node).__name__, type(node).__name__.lower())
