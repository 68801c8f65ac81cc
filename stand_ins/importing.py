"""What the import statements of an architecture give: stand-ins for packages that can't run here, else the real ones.

`fla` and `flash_attn` need a GPU, and `transformers` would bring half a library for a logger; `stand_ins` holds,
in plain torch and our own kernels, what layer files take from them. A name is looked up in its room alone, whatever the
module it is imported from: fla moves its modules about from one version to the next, while the names stay.

A file imports more than it uses. A name that a stand-in lacks is therefore there all the same, as something that says
so in one line once it is called; where the import stands under `try` it fails at once, and the file's own way out is
taken.
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

STAND_IN_MODULES = {
    f"fla.{room}": f"stand_ins.fla.{room}" for room in ("layers", "models", "modules", "ops", "utils")
} | {
    "flash_attn": "stand_ins.flash_attn",
    "transformers": "stand_ins.transformers",
}
"""What is stood in for: a package or a part of one, and where its names are."""

PACKAGES = frozenset(public.partition(".")[0] for public in STAND_IN_MODULES)

AMONG_LAYERS = ("", "fla.layers", "fla")
"""What a relative import is relative to, by its number of dots: a layer file is read as if it stood among fla's."""

OPERATORS = ("chunk_", "fused_chunk_", "fused_recurrent_", "parallel_")
"""How the names of fla's operators begin."""
HEADS_SPLIT = re.compile(r"b (\w) \(h \w\) -> b h \1 \w")
"""How a file that keeps heads before time gets them, in the words of einops."""

Import = Callable[..., types.ModuleType]
"""What Python calls for an import statement: `__import__`."""
Statement = tuple[str, frozenset[str]]
"""The module that an import statement names, and the names it takes from it."""


class MissingStandIn(ImportError):
    """A name that the stand-in for a package lacks."""

    jail_reason = "import_error"
    """Reason code under which the sandbox reports it, wherever it is raised."""


class StandIn(types.ModuleType):
    """A module, or a name, of a package that is stood in for."""

    def __getattr__(self, name: str) -> object:
        """Return the room's own value, or a stand-in that has nothing but its name."""
        if name.startswith("__"):
            raise AttributeError(name)
        found = _room_of(self.__name__, name)
        return StandIn(f"{self.__name__}.{name}") if found is None else getattr(found, name)

    def __call__(self, *_: object, **__: object) -> object:
        """Say that there is no such thing."""
        raise self.lack()

    def __mro_entries__(self, _: tuple) -> tuple:
        """Say that there is no such class to derive from."""
        raise self.lack()

    def __instancecheck__(self, _: object) -> bool:
        """Return False: nothing is an instance of what isn't there."""
        return False

    def __or__(self, _: object) -> object:
        """Return itself, in an annotation."""
        return self

    __ror__ = __or__

    def lack(self) -> MissingStandIn:
        """Return the fault of asking for it."""
        package = self.__name__.partition(".")[0]
        return MissingStandIn(f"the stand-in for {package} has no {self.__name__}")


class HeadsFirst(StandIn):
    """A module of fla's operators as they were at first: tensors [B, H, T, ...] unless a call says otherwise."""

    def __getattr__(self, name: str) -> object:
        """Return the operator with the first layout as its default."""
        found = super().__getattr__(name)
        return partial(found, head_first=True) if name.startswith(OPERATORS) and callable(found) else found


def _room_of(module: str, name: str) -> types.ModuleType | None:
    """Return the room that holds a module's name, None where none does."""
    for public, home in STAND_IN_MODULES.items():
        if f"{module}.".startswith(f"{public}."):
            room = import_module(home)
            return room if hasattr(room, name) else None
    return None


def importer(tree: ast.Module) -> Import:
    """Return the `__import__` for a source's own import statements."""
    guarded, heads_first = frozenset(_guarded(tree)), _keeps_heads_first(tree)
    real_fla = torch.cuda.is_available() and importlib.util.find_spec("fla") is not None

    def import_(
        name: str,
        names: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        name = ".".join(filter(None, (AMONG_LAYERS[min(level, 2)], name)))
        package, taken = name.partition(".")[0], frozenset(fromlist or ())
        if package == "triton" and (name, taken) in guarded and not torch.cuda.is_available():
            raise ImportError("triton has no GPU to run on")
        if package not in PACKAGES or (package == "fla" and real_fla):
            return builtins.__import__(name, names, local, fromlist or ())
        lacking = [word for word in sorted(taken) if _room_of(name, word) is None]
        if lacking and (name, taken) in guarded:
            raise StandIn(f"{name}.{lacking[0]}").lack()
        if not taken:
            return _from_the_top(name)
        return HeadsFirst(name) if heads_first and name.startswith("fla.ops") else StandIn(name)

    return import_


def _from_the_top(name: str) -> StandIn:
    """Return the package of a dotted name, with the modules on the way to it: a name may be a function's as well."""
    top, *below = name.split(".")
    module = first = StandIn(top)
    for part in below:
        inner = StandIn(f"{module.__name__}.{part}")
        setattr(module, part, inner)
        module = inner
    return first


def _guarded(tree: ast.Module) -> Iterator[Statement]:
    """Yield the import statements whose failing the source itself meets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.handlers:
            for inner in (found for statement in node.body for found in ast.walk(statement)):
                if isinstance(inner, ast.ImportFrom):
                    module = ".".join(filter(None, (AMONG_LAYERS[min(inner.level, 2)], inner.module)))
                    yield module, frozenset(alias.name for alias in inner.names)
                elif isinstance(inner, ast.Import):
                    yield from ((alias.name, frozenset()) for alias in inner.names)


def _keeps_heads_first(tree: ast.Module) -> bool:
    """Whether a source is of the time when fla's operators took heads before time, and did not have to be told."""
    told = any(isinstance(node, ast.keyword) and node.arg == "head_first" for node in ast.walk(tree))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return not told and any(HEADS_SPLIT.fullmatch(text) for text in texts)


def module_for(tree: ast.Module, name: str, filename: str) -> types.ModuleType:
    """Return an empty module in which the source's import statements give what they should."""
    module = types.ModuleType(name)
    module.__file__ = filename
    module.__dict__["__builtins__"] = vars(builtins) | {"__import__": importer(tree)}
    sys.modules[name] = module  # dataclasses and pickling of types look their module up
    return module
