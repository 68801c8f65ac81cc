"""`--quiet`, anywhere on the command line: no progress and no notices, only results and errors."""

from collections.abc import Sequence
from contextvars import ContextVar

OPTION = "--quiet"
_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether notices are silenced."""
    return _quiet.get()


def take_quiet(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without `--quiet`, which silences this process. What follows `--` is left as it is."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != OPTION]
    _quiet.set(len(options) < end)
    return [*options, *arguments[end:]]
