# expected: import_error
"""Imports the laboratory's memory behind the static check."""

import importlib

importlib.import_module('memory.store')
