"""Structured logging: a readable console on a terminal, JSON lines elsewhere; secrets are masked last."""

import logging
import os
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

SECRET = re.compile(r"(?i)(sk-[\w-]{8,}|bearer\s+[\w.-]{8,}|S[UAO][A-Z2-7]{56})")


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
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(**bound)
    logging.disable(logging.WARNING)  # libraries log to the root logger; ours is the line above


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask what looks like a key, and the values of variables that hold one."""
    keys = [value for name, value in os.environ.items() if name.endswith(("_KEY", "_TOKEN")) and len(value) > 7]
    return {name: _mask(value, keys) if isinstance(value, str) else value for name, value in event.items()}


def _mask(text: str, keys: list[str]) -> str:
    """Return the text without secrets."""
    for key in keys:
        text = text.replace(key, "***")
    return SECRET.sub("***", text)
