"""Errors that a person can fix: the command line prints one line without a traceback; and a service's exit code."""


class LabError(Exception):
    """An error whose message says what is wrong and what to do: exit code 1."""


class WrongUsage(LabError):
    """Arguments of a command that don't go together: exit code 2."""


EXIT_LOG_FULL = 75
"""Exit code of a service that can't write to the log (EX_TEMPFAIL): a restart would not help."""
