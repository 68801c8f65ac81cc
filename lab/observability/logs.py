"""Structured logging: a readable console on a terminal, JSON lines elsewhere; secrets are masked last.

Whatever else a process says of itself goes the same way: the lines of libraries, and the traceback it dies with.
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


def configure(level: int = logging.INFO, **bound: str) -> None:
    """Set up logging for this process; `bound` is added to every line."""
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
    logging.disable(logging.WARNING)  # libraries log to the root logger; ours is the line above
    mask_tracebacks()


def mask_tracebacks() -> None:
    """Mask what Python itself prints: the lines of libraries, the tracebacks of the process and of its threads."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Masked("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    sys.excepthook = _tell
    threading.excepthook = lambda died: _tell(died.exc_type, died.exc_value, died.exc_traceback)


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask every text of a line, however deep it lies; what is no plain value is told as text."""
    return {name: _masked(value) for name, value in event.items()}


def _masked(value: Any) -> Any:
    """Return a value of a log line without secrets."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {mask(str(key)): _masked(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case bytes():
            return mask(value.decode("utf-8", "backslashreplace"))
        case _:
            return mask(str(value))


class _Masked(logging.Formatter):
    """Formats the lines of libraries, their tracebacks included, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return mask(super().format(record))


def _tell(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    """Print a traceback without secrets."""
    sys.stderr.write(mask("".join(traceback.format_exception(kind, error, where))))
