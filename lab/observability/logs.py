"""Structured logging: readable lines on a terminal, JSON lines elsewhere; secrets are masked last.

The log lines of libraries and the tracebacks of uncaught exceptions are masked too.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from bus.wire.redaction import mask


def configure(level: int | str = logging.INFO, **bound: str) -> None:
    """Configure logging for this process, from a level on or its name; `bound` is added to every line."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    logging.disable(logging.WARNING)  # hide warnings of libraries: our own logger is the one above
    mask_tracebacks()


def mask_tracebacks() -> None:
    """Mask the log lines of libraries, and the tracebacks of the process and of its threads."""
    handler = logging.StreamHandler()
    handler.setFormatter(_MaskingFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    sys.excepthook = _print_traceback
    threading.excepthook = lambda args: _print_traceback(args.exc_type, args.exc_value, args.exc_traceback)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask every text of a line, at any depth; a value that is no JSON type becomes text."""
    return {name: _mask_value(value) for name, value in event.items()}


def _mask_value(value: Any) -> Any:
    """Return a value of a log line without secrets."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {mask(str(key)): _mask_value(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_mask_value(inner) for inner in value]
        case bytes():
            return mask(value.decode("utf-8", "backslashreplace"))
        case _:
            return mask(str(value))


class _MaskingFormatter(logging.Formatter):
    """Formats log lines, including tracebacks, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the masked line."""
        return mask(super().format(record))


def _print_traceback(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))
