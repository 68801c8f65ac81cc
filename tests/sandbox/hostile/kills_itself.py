# expected: crash:SIGKILL
"""Sends itself SIGKILL."""

import os

os.kill(os.getpid(), 9)
