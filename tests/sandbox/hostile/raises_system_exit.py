# expected: no_result
"""Leaves politely."""

import sys

sys.exit(0)
