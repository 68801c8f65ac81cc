# expected: denied:syscall
"""Asks to be root."""

import os

os.setuid(0)
