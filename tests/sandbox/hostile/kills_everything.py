# expected: denied:signal
"""Kills all it may signal."""

import os

os.kill(-1, 9)
