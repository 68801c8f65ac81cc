"""Faults that a person can mend: said in one line on stderr, exit code 1, no traceback."""


class LabError(Exception):
    """What is wrong and what to do about it."""
