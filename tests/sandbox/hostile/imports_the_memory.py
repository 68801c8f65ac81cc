# expected: import_error
"""Imports the laboratory's memory in a way that the static check doesn't see."""

import importlib

importlib.import_module('memory.store')
