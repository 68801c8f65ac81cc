# expected: no_result
"""Exits by SystemExit."""

import sys

sys.exit(0)
