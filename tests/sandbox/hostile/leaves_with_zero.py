# expected: no_result
"""Leaves as if all were well."""

import os

os._exit(0)
