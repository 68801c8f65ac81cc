"""From an exception in a run to its fault: a reason code, a message and the end of the traceback."""

import errno
import os
import traceback
from pathlib import Path

from sandbox.faults import JailFault

MAX_TRACEBACK_CHARACTERS = 16_000
"""Most characters of a traceback that are sent."""
MAX_MESSAGE_CHARACTERS = 2000
OUT_OF_MEMORY_PHRASES = ("can't allocate memory", "not enough memory", "cannot allocate memory", "out of memory")
DENIED_REASONS = {
    errno.EPERM: "denied:syscall",
    errno.ENOSYS: "denied:syscall",
    errno.EACCES: "denied:net",
    errno.ESRCH: "denied:signal",
}
"""Reason codes by the error numbers of the system call filter (`sandbox.inside.seccomp`)."""
_SANDBOX_FOLDER = str(Path(__file__).parent.parent)


def fault_of(error: BaseException) -> JailFault:
    """Return the fault of an exception, with the run's own part of the traceback."""
    if isinstance(error, JailFault):
        return error
    reason, message = reason_of(error), traceback.format_exception_only(error)[-1].strip()
    return JailFault(reason, str(error) if reason == "import_error" else message[:MAX_MESSAGE_CHARACTERS], _tail(error))


def reason_of(error: BaseException) -> str:
    """Return the reason code of an exception."""
    if getattr(type(error), "jail_reason", None) == "import_error":
        return "import_error"
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(phrase in text for phrase in OUT_OF_MEMORY_PHRASES):
        return "limit:memory"
    if isinstance(error, BlockingIOError) or "can't start new thread" in text:
        return "limit:procs"
    if isinstance(error, ValueError) and "not allowed to raise maximum limit" in text:
        return "denied:syscall"  # the module `resource` turns the refusal into this error
    if isinstance(error, OSError):
        return _os_error_reason(error)
    return "error"


def _os_error_reason(error: OSError) -> str:
    """Return the reason code of an error of the operating system."""
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return "limit:disk"
    if error.errno == errno.ENOMEM:
        return "limit:memory"
    if error.filename is not None and error.errno != errno.EPERM:
        return "denied:fs" if _is_refusal(error) else "error"
    return "denied:net" if type(error).__name__ == "gaierror" else DENIED_REASONS.get(error.errno or 0, "error")


def _is_refusal(error: OSError) -> bool:
    """Whether a path was refused, or lies outside the scratch folder, where most of the machine doesn't exist."""
    if error.errno == errno.ENOENT:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        return any(name.startswith("/") and not name.startswith(_working_folder()) for name in names)
    return error.errno in (errno.EACCES, errno.EROFS, errno.EXDEV)


def _working_folder() -> str:
    """Return the run's scratch folder, "/" if the run has removed it."""
    try:
        return os.getcwd()  # noqa: PTH109 (compared as text)
    except OSError:
        return "/"


def _tail(error: BaseException) -> str:
    """Return the end of the traceback, without the sandbox' own frames."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_SANDBOX_FOLDER)]
    head = ["Traceback (most recent call last):\n"] if own else []
    lines = [*head, *traceback.format_list(own), *traceback.format_exception_only(error)]
    return "".join(lines)[-MAX_TRACEBACK_CHARACTERS:]
