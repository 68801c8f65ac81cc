# expected: crash:SIGABRT
"""Aborts."""

import os

os.abort()
