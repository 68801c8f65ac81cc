# expected: import_error
"""Imports the code that judges it."""

from trainer.run import scoring
