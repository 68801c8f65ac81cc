"""Import statements of an architecture: they give stand-ins for packages that can't run here, else the real ones.

`fla` and `flash_attn` need a GPU, and `transformers` would bring a large library for a logger. `stand_ins` holds, in
plain torch and our own kernels, the names that layer files take from them. A name is looked up in its area of fla
(layers, models, modules, ops, utils), whatever module it is imported from: from one version of fla to the next names
stay in their areas but move between modules.

A file imports more than it uses. So a name that a stand-in lacks can be imported all the same, and raises one clear
line when it is called. Under `try` its import fails at once, so that the file takes its own fallback.
"""

import ast
import builtins
import importlib.util
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module

import torch

from architecture.imports import guarded_imports

STAND_IN_MODULES = {
    f"fla.{area}": f"stand_ins.fla.{area}" for area in ("layers", "models", "modules", "ops", "utils")
} | {
    "flash_attn": "stand_ins.flash_attn",
    "transformers": "stand_ins.transformers",
}
"""Packages and parts of packages that have a stand-in, and the module that holds its names."""
STAND_IN_PACKAGES = frozenset(public.partition(".")[0] for public in STAND_IN_MODULES)
RELATIVE_ROOTS = ("", "fla.layers", "fla")
"""Root of a relative import by its number of dots: a layer file is read as if it were one of fla's layers."""
OPERATOR_PREFIXES = ("chunk_", "fused_chunk_", "fused_recurrent_", "parallel_")
"""Beginnings of the names of fla's operators."""
HEADS_FIRST_PATTERN = re.compile(r"b (\w) \(h \w\) -> b h \1 \w")
"""The pattern of einops by which a file puts heads before time."""

ImportFunction = Callable[..., types.ModuleType]
"""The function that Python calls for an import statement: `__import__`."""
ImportedNames = tuple[str, frozenset[str]]
"""The module that an import statement names, and the names it takes from it."""


class MissingStandIn(ImportError):
    """A name that the stand-in for a package lacks."""

    jail_reason = "import_error"
    """Reason code under which the sandbox reports it, wherever it is raised."""


class StandIn(types.ModuleType):
    """A module, or a name, of a package that has a stand-in."""

    def __getattr__(self, name: str) -> object:
        """Return the value from the stand-in, or an object that has nothing but its name."""
        if name.startswith("__"):
            raise AttributeError(name)
        home = _home_of(self.__name__, name)
        return StandIn(f"{self.__name__}.{name}") if home is None else getattr(home, name)

    def __call__(self, *_: object, **__: object) -> object:
        """Raise MissingStandIn: there is no such function or class."""
        raise self.missing()

    def __mro_entries__(self, _: tuple) -> tuple:
        """Raise MissingStandIn: there is no such class to derive from."""
        raise self.missing()

    def __instancecheck__(self, _: object) -> bool:
        """Return False: a missing class has no instances."""
        return False

    def __or__(self, _: object) -> object:
        """Return itself, in an annotation."""
        return self

    __ror__ = __or__

    def missing(self) -> MissingStandIn:
        """Return the error of using this name."""
        package = self.__name__.partition(".")[0]
        return MissingStandIn(f"the stand-in for {package} has no {self.__name__}")


class HeadsFirst(StandIn):
    """A module of fla's operators in their first layout: tensors [B, H, T, ...] unless a call says otherwise."""

    def __getattr__(self, name: str) -> object:
        """Return the operator with the first layout as its default."""
        value = super().__getattr__(name)
        return partial(value, head_first=True) if name.startswith(OPERATOR_PREFIXES) and callable(value) else value


def _home_of(module: str, name: str) -> types.ModuleType | None:
    """Return the stand-in module that holds a module's name, None if none does."""
    for public, home in STAND_IN_MODULES.items():
        if f"{module}.".startswith(f"{public}."):
            stand_in = import_module(home)
            return stand_in if hasattr(stand_in, name) else None
    return None


def importer(tree: ast.Module) -> ImportFunction:
    """Return the `__import__` for a source's own import statements."""
    guarded, heads_first = frozenset(_guarded_names(tree)), _puts_heads_first(tree)
    real_fla = torch.cuda.is_available() and importlib.util.find_spec("fla") is not None

    def import_(
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        name = _absolute(name, level)
        package, members = name.partition(".")[0], frozenset(fromlist or ())
        if package == "triton" and (name, members) in guarded and not torch.cuda.is_available():
            raise ImportError("triton has no GPU to run on")
        if package not in STAND_IN_PACKAGES or (package == "fla" and real_fla):
            return builtins.__import__(name, names, local, fromlist or ())
        missing = [member for member in sorted(members) if _home_of(name, member) is None]
        if missing and (name, members) in guarded:
            raise StandIn(f"{name}.{missing[0]}").missing()
        if not members:
            return _package_of(name)
        return HeadsFirst(name) if heads_first and name.startswith("fla.ops") else StandIn(name)

    return import_


def _absolute(module: str | None, level: int) -> str:
    """Return a module's dotted name, for a relative import of `level` dots among fla's layers."""
    return ".".join(filter(None, (RELATIVE_ROOTS[min(level, 2)], module)))


def _package_of(name: str) -> StandIn:
    """Return the package of a dotted name, with the modules below it: a name may be a function's as well."""
    top, *parts = name.split(".")
    module = package = StandIn(top)
    for part in parts:
        inner = StandIn(f"{module.__name__}.{part}")
        setattr(module, part, inner)
        module = inner
    return package


def _guarded_names(tree: ast.Module) -> Iterator[ImportedNames]:
    """Yield the modules and names of the import statements whose failure the source itself handles."""
    for statement in guarded_imports(ast.walk(tree)):
        if isinstance(statement, ast.ImportFrom):
            module = _absolute(statement.module, statement.level)
            yield module, frozenset(alias.name for alias in statement.names)
        else:
            yield from ((alias.name, frozenset()) for alias in statement.names)


def _puts_heads_first(tree: ast.Module) -> bool:
    """Whether a source was written when fla's operators took heads before time by default."""
    nodes = list(ast.walk(tree))
    explicit = any(isinstance(node, ast.keyword) and node.arg == "head_first" for node in nodes)
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return not explicit and any(HEADS_FIRST_PATTERN.fullmatch(text) for text in texts)


def module_for(tree: ast.Module, name: str, filename: str) -> types.ModuleType:
    """Return an empty module in which the source's import statements give stand-ins."""
    module = types.ModuleType(name)
    module.__file__ = filename
    module.__dict__["__builtins__"] = vars(builtins) | {"__import__": importer(tree)}
    sys.modules[name] = module  # dataclasses and pickling of types look their module up
    return module
