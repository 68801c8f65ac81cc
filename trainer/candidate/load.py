"""From source text to the one mixer class in it.

What it can't see: what the code does when it is called. Imports are looked at only to give a clear name to an
architecture that reaches for this laboratory's own modules; what keeps it in bounds is the jail, not this file.
"""

import ast
import linecache
import types

import torch
from torch import nn

from sandbox import JailFault
from sandbox.inside.report import fault_of
from stand_ins.importing import module_for
from trainer.candidate.choice import mixers_of

FILENAME = "architecture.py"
"""What the candidate's file is called in tracebacks."""
DISABLED_COMPILERS = ((torch, "compile"), (torch.compiler, "disable"), (torch.jit, "script"))
"""Left out, since compiling costs more than a short run on a CPU; the code does the same without."""
INTERNAL_PACKAGES = frozenset({"agents", "benchmarks", "bus", "dashboard", "lab", "memory", "tests", "trainer"})


class LoadError(JailFault):
    """The source gives no mixer class, for one of the reasons in `trainer.gates`."""


def load_mixer(source: str) -> type[nn.Module]:
    """Execute an architecture's source and return its mixer class. Raises LoadError, whose tail shows its own lines."""
    tree = parsed(source)
    module = execute(tree, source)
    found = [kind for kind in vars(module).values() if _is_own_module_class(kind, module.__name__)]
    found = list(dict.fromkeys(found))  # a class may have a second name
    mixers = mixers_of(found, tree)
    if not mixers:
        raise LoadError("no_class", "the source has no torch.nn.Module class that takes (d_model, n_heads)")
    if len(mixers) > 1:
        names = ", ".join(kind.__name__ for kind in mixers)
        raise LoadError("several_classes", f"the source has several mixer classes: {names}")
    return mixers[0]


def parsed(source: str) -> ast.Module:
    """Return the source's tree. Raises LoadError for what is not Python or reaches for the laboratory's own modules."""
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    try:
        tree = ast.parse(source, FILENAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LoadError("syntax_error", f"{type(error).__name__}: {error}", fault_of(error).tail) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            _check_import(node)
    return tree


def _check_import(node: ast.Import | ast.ImportFrom) -> None:
    """Raise LoadError for an import of the laboratory's own modules."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    for name in names:
        if name.partition(".")[0] in INTERNAL_PACKAGES:
            raise LoadError("import_error", f"line {node.lineno}: an architecture may not import {name}")


def execute(tree: ast.Module, source: str) -> types.ModuleType:
    """Run the module's body under the name `architecture` and return it. Raises LoadError."""
    module = module_for(tree, "architecture", FILENAME)
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    for home, name in DISABLED_COMPILERS:
        setattr(home, name, _as_it_is)
    try:
        exec(compile(tree, FILENAME, "exec"), module.__dict__)  # noqa: S102 (that is what the jail is for)
    except ImportError as error:
        raise LoadError("import_error", str(error), fault_of(error).tail) from None
    except Exception as error:  # noqa: BLE001 (whatever a candidate raises has to be named)
        fault = fault_of(error)
        raise LoadError(fault.reason, fault.message, fault.tail) from None
    return module


def _as_it_is(model: object = None, *_: object, **__: object) -> object:
    """Stand in for a compiler, as a call or as a decorator with options."""
    return model if model is not None else lambda function: function


def _is_own_module_class(kind: object, name: str) -> bool:
    """Whether a value is an nn.Module class that the source itself defines."""
    return isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == name
