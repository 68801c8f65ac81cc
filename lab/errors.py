"""Faults that a person can mend: said in one line on stderr, exit code 1, no traceback; and how a service says one."""


class LabError(Exception):
    """What is wrong and what to do about it."""


class WrongUsage(LabError):
    """A command was called with arguments that don't go together: exit code 2."""


EXIT_LOG_FULL = 75
"""Exit code of a service that can't write to the log (EX_TEMPFAIL): starting it again would not help."""
