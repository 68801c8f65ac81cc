"""The design spaces that a campaign can search: a module of this package declares its `SPACE`.

CampaignStarted names the space. A benchmark adds a table of its own with `register`; a name from a log finds a
registered space or none, and is never imported.
"""

import pkgutil
from functools import cache
from importlib import import_module

from agents.search.space import DesignSpace

DEFAULT_SPACE = "mixers"


@cache
def _registry() -> dict[str, DesignSpace]:
    """Return the spaces by name; the one dictionary that `register` adds to."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {module.SPACE.name: module.SPACE for module in modules}


def register(space: DesignSpace) -> None:
    """Make a space known in this process. Raises ValueError if another one has its name."""
    if _registry().setdefault(space.name, space) is not space:
        raise ValueError(f"there is a design space {space.name!r} already")


def space_named(name: str) -> DesignSpace:
    """Return a space. Raises ValueError for an unknown name."""
    if name not in _registry():
        raise ValueError(f"unknown design space {name!r}; spaces: {', '.join(sorted(_registry()))}")
    return _registry()[name]
