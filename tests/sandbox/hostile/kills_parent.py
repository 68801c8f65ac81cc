# expected: denied:signal
"""Kills the process above it."""

import os

os.kill(os.getppid(), 9)
