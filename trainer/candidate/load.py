"""From source text to the one mixer class in it.

Imports are checked only to give a clear name to an architecture that reaches for this laboratory's own modules. This
file can't see what code does when it is called; the sandbox contains it.
"""

import ast
import linecache
import types

import torch
from torch import nn

from architecture.imports import INTERNAL_PACKAGES, ImportStatement, module_names
from sandbox import JailFault
from sandbox.inside.report import fault_of
from stand_ins.importing import module_for
from trainer.candidate.choice import mixer_classes

FILENAME = "architecture.py"
"""Name of the candidate's file in tracebacks."""
MODULE_NAME = "candidate"
"""Name of the candidate's module."""
DISABLED_COMPILERS = ((torch, "compile"), (torch.compiler, "disable"), (torch.jit, "script"))
"""Replaced by functions that compile nothing: compiling costs more than a short run on a CPU."""


class LoadError(JailFault):
    """The source gives no mixer class, for one of the reasons in `trainer.gates`."""


def load_mixer(source: str) -> type[nn.Module]:
    """Execute an architecture's source and return its mixer class. Raises LoadError, whose tail shows its own lines."""
    tree = parse_source(source)
    module = execute(tree)
    classes = [kind for kind in vars(module).values() if _is_own_module_class(kind, module.__name__)]
    classes = list(dict.fromkeys(classes))  # a class may have a second name
    mixers = mixer_classes(classes, tree)
    if not mixers:
        raise LoadError("no_class", "the source has no torch.nn.Module class that takes (d_model, n_heads)")
    if len(mixers) > 1:
        names = ", ".join(kind.__name__ for kind in mixers)
        raise LoadError("several_classes", f"the source has several mixer classes: {names}")
    return mixers[0]


def parse_source(source: str) -> ast.Module:
    """Return the source's tree, and register its lines for tracebacks.

    Raises LoadError if it is not Python or imports the laboratory's own modules.
    """
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    try:
        tree = ast.parse(source, FILENAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LoadError("syntax_error", f"{type(error).__name__}: {error}", fault_of(error).tail) from None
    for node in ast.walk(tree):
        if isinstance(node, ImportStatement):
            _check_import(node)
    return tree


def _check_import(statement: ImportStatement) -> None:
    """Raise LoadError for an import of the laboratory's own modules."""
    for name in module_names(statement):
        if name.partition(".")[0] in INTERNAL_PACKAGES:
            raise LoadError("import_error", f"line {statement.lineno}: an architecture may not import {name}")


def execute(tree: ast.Module) -> types.ModuleType:
    """Run the body of the candidate's module and return it. Raises LoadError."""
    module = module_for(tree, MODULE_NAME, FILENAME)
    for owner, name in DISABLED_COMPILERS:
        setattr(owner, name, _compile_nothing)
    try:
        exec(compile(tree, FILENAME, "exec"), module.__dict__)  # noqa: S102 (this is what the sandbox is for)
    except ImportError as error:
        raise LoadError("import_error", str(error), fault_of(error).tail) from None
    except Exception as error:  # noqa: BLE001 (a candidate may raise anything)
        fault = fault_of(error)
        raise LoadError(fault.reason, fault.message, fault.tail) from None
    return module


def _compile_nothing(model: object = None, *_: object, **__: object) -> object:
    """Stand in for a compiler, as a call or as a decorator with options."""
    return model if model is not None else lambda function: function


def _is_own_module_class(kind: object, module_name: str) -> bool:
    """Whether a value is an nn.Module class that the source itself defines."""
    return isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == module_name
