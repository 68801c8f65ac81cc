"""The command line: one `move37` with its commands, and one way to fail.

What a person can mend ends in one line on stderr and exit code 1; a wrong call in one line and exit code 2.
"""

import os
import sys
from types import TracebackType

import typer

from lab.commands import access, campaign, dead_letters, housekeeping, observing, reading, replaying, standalone
from lab.errors import LabError, WrongUsage

app = typer.Typer(
    name="move37",
    help="A laboratory that discovers neural architectures on its own.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for room in (campaign, reading, replaying, observing, dead_letters, standalone, access, housekeeping):
    room.register(app)


def main() -> None:
    """Run the command line and exit."""
    sys.excepthook = _fall
    try:
        code = app(standalone_mode=False) or 0
    except typer.exceptions.TyperException as error:
        code = _say(error.format_message() or "see `move37 --help`", error.exit_code)
    except typer.Abort:
        code = 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except _mendable() as error:
        code = _say(str(error), 2 if isinstance(error, WrongUsage) else 1)
    sys.exit(code)


def _mendable() -> tuple[type[Exception], ...]:
    """Return the faults of the rooms below that carry their own words; imported late, only once something failed."""
    from bus.delivery.bus import QueryRefused
    from bus.delivery.transport import TransportError
    from bus.nats.server import ServerFailed

    return (LabError, TransportError, ServerFailed, QueryRefused)


def _say(text: str, code: int) -> int:
    """Print one line on stderr and return the exit code."""
    from bus.wire.redaction import mask

    print(f"move37: {mask(' '.join(text.split()))}", file=sys.stderr)
    return code


def _fall(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Print the traceback of a fault of our own, without secrets."""
    from lab.observability import logs

    logs.mask_tracebacks()
    sys.excepthook(kind, error, where)


if __name__ == "__main__":
    main()
