"""The command line: one `move37` with its commands, and one way to report errors.

An error that a person can fix ends in one line on stderr and exit code 1, a wrong call in one line and exit code 2. A
signal ends a command in order (`lab.endings`). The commands are imported once signals are handled.
"""

import contextlib
import os
import sys
from types import TracebackType
from typing import Any

from lab import endings
from lab.errors import LabError, WrongUsage


def main() -> None:
    """Run the command line and exit."""
    endings.install()
    sys.excepthook = _print_traceback
    _open_streams()
    sys.exit(_flush(_run()))


def _open_streams() -> None:
    """Let output never fail for a character, and never go to a file that took the place of a closed stream."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            setattr(sys, name, open(number, mode))  # noqa: PTH123, SIM115  (a descriptor, open until the end)
        elif mode == "w":
            stream.reconfigure(errors="backslashreplace")


def _flush(code: int) -> int:
    """Write what is left of the output and return the exit code, 1 if that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _report_unwritable(error) or code
    return code


def _report_unwritable(error: OSError) -> int:
    """Report an error of the system and return its exit code: 0 if the reader of a pipe has left, as `head` does."""
    _discard(1)
    if isinstance(error, BrokenPipeError) or endings.exit_code():
        return endings.exit_code()
    where = f"{os.fsdecode(error.filename)}: " if error.filename else "can't write the output: "
    return _print_error(f"{where}{error.strerror or error}", 1)


def _run() -> int:
    """Run the command that the arguments name and return its exit code."""
    import typer

    from lab.commands import command_line
    from lab.quiet import take_quiet

    try:
        return command_line()(args=take_quiet(sys.argv[1:]), standalone_mode=False) or 0
    except typer.exceptions.TyperException as error:
        return _report_usage(error)
    except typer.Abort:
        return 130
    except OSError as error:
        return _report_unwritable(error)
    except _expected_errors() as error:
        return endings.exit_code() or _print_error(str(error), 2 if isinstance(error, WrongUsage) else 1)
    except Exception as error:
        if not endings.is_behind(error):
            raise
        return endings.exit_code()


def _report_usage(error: Any) -> int:
    """Report wrong arguments with the help that tells more, or print the help if there are none; return the exit code.

    `error` is a TyperException.
    """
    text, context = error.format_message(), getattr(error, "ctx", None)
    if text.startswith("Usage:"):
        print(text, file=sys.stderr)
        return error.exit_code
    if text.endswith("?"):  # it names what was meant
        return _print_error(text, error.exit_code)
    command = context.command_path.removeprefix(context.find_root().info_name) if context else ""
    text = text.replace("Value error, ", "").rstrip(".")
    return _print_error(f"{text or 'no command'}; hint: move37{command} --help", error.exit_code)


def _expected_errors() -> tuple[type[Exception], ...]:
    """Return the errors whose message is enough for a person; imported late, only once something failed."""
    from bus.delivery.query_replies import QueryRefused
    from bus.delivery.transport import TransportError
    from bus.nats.server import ServerFailed
    from memory.faults import MemoryFault

    return (LabError, TransportError, ServerFailed, QueryRefused, MemoryFault)


def _print_error(text: str, code: int) -> int:
    """Print one line on stderr and return the exit code."""
    from bus.wire.redaction import mask

    try:
        print(f"move37: {mask(' '.join(text.split()))}", file=sys.stderr, flush=True)
    except OSError:
        _discard(2)
    return code


def _discard(descriptor: int) -> None:
    """Let what is left of an output go nowhere: the interpreter would try to write it once more, and fail."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an unexpected error, without secrets."""
    from lab.observability import logs

    logs.mask_tracebacks()
    sys.excepthook(kind, error, trace)


if __name__ == "__main__":
    main()
