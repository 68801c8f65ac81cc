# expected: denied:signal
"""Kills every process that it may signal."""

import os

os.kill(-1, 9)
