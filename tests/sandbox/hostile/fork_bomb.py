# expected: limit:procs
"""Forks without end."""

import os

while True:
    os.fork()
