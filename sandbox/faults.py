"""The ways in which a run in the sandbox fails: each has a reason code.

| reason | meaning |
| --- | --- |
| `timeout` | the wall clock or the CPU limit ran out |
| `limit:memory` `limit:output` `limit:procs` `limit:disk` | the run exceeded this limit |
| `crash:SIGSEGV` `crash:SIGABRT` `crash:...` | a signal killed the run |
| `crash:jail` | the sandbox itself ended |
| `denied:fs` `denied:net` `denied:signal` `denied:syscall` | the run tried something forbidden, and failed over it |
| `no_result` | the run left without an answer (`sys.exit`, `os._exit`), whatever its exit code |
| `protocol_error` | the run wrote something other than a frame, or closed its channel |
| `import_error` | an import failed, and its exception class asked for this reason (`jail_reason`) |
| `error` | a Python exception; `message` is its last line, `tail` the traceback |
"""

REPORTED_REASONS = frozenset((
    "error", "import_error", "limit:memory", "limit:procs", "limit:disk",
    "denied:fs", "denied:net", "denied:signal", "denied:syscall",
))  # fmt: skip
"""Reasons that come from an exception within the run (`sandbox.inside.report`); it reports them itself."""
PROTOCOL_EXIT_CODE = 76
"""Exit code of a run that could not write to its channel (EX_PROTOCOL)."""


class JailFault(Exception):
    """A run in the sandbox failed."""

    def __init__(self, reason: str, message: str, tail: str = "") -> None:
        """Take the reason code, one line for a reader, and the end of the run's output or traceback."""
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.tail = tail


class ReportedFault(JailFault):
    """A fault that the run reports of itself; whoever started the run knows which reasons it may have."""


class SandboxUnavailable(RuntimeError):
    """The machine can't provide the requested sandbox; the text names the remedy."""
