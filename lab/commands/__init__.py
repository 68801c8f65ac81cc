"""The commands of `move37`: one module for each kind of use.

Each module defines `app`, a Typer application with its commands, and `POSITION`, its place in `move37 --help`: modules
are listed by ascending position. A new module needs no other change.
"""

import pkgutil
from importlib import import_module

import typer


def command_apps() -> list[typer.Typer]:
    """Return the application of every module in this package, in the order of their positions."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [module.app for module in sorted(modules, key=lambda module: module.POSITION)]
