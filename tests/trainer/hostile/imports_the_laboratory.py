# expected: import_error
"""Imports what judges it."""

from trainer import evaluator
