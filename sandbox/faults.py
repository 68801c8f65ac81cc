"""How a jailed run can end badly: every way has a name.

| reason | what happened |
| --- | --- |
| `timeout` | the wall clock or the CPU limit ran out |
| `limit:memory` `limit:output` `limit:procs` `limit:disk` | it asked for more than it was given |
| `crash:SIGSEGV` `crash:SIGABRT` `crash:...` | a signal killed it |
| `crash:jail` | the jail itself went away |
| `denied:fs` `denied:net` `denied:signal` `denied:syscall` | it tried what the jail forbids, and fell over that |
| `no_result` | it left without an answer (`sys.exit`, `os._exit`), whatever its exit code |
| `protocol_error` | what it wrote is no frame of ours, or it closed its channel |
| `error` | a Python exception; `message` is its last line, `tail` the traceback |
"""


class JailFault(Exception):
    """A jailed run ended without what was asked of it."""

    def __init__(self, reason: str, message: str, tail: str = "") -> None:
        """Keep the reason code, one line for a reader, and the end of the candidate's output or traceback."""
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.tail = tail


class SandboxUnavailable(RuntimeError):
    """The machine can't give the jail that was asked for; the text names the remedy."""
