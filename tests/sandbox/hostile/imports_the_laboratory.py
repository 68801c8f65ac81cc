# expected: import_error
"""Imports what judges it."""

from trainer.run import scoring
