"""The commands of `move37`: one module for each kind of use.

Each module defines `app`, a Typer application with its commands, and `POSITION`, its place in `move37 --help`: modules
are listed by ascending position. A new module needs no other change.
"""

import pkgutil
from importlib import import_module

import typer

from lab.terminal import fitted_help


def command_line() -> typer.Typer:
    """Return `move37`: the commands of every module in this package, in the order of their positions."""
    fitted_help.install()
    app = typer.Typer(
        name="move37",
        cls=fitted_help.CommandGroup,
        help="A laboratory that discovers neural architectures on its own.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog="--quiet, anywhere: no progress and no notices, only results and errors.",
    )
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    for module in sorted(modules, key=lambda module: module.POSITION):
        app.add_typer(module.app)
    return app
