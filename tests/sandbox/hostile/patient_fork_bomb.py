# expected: limit:procs
"""Forks without end and ignores every refusal."""

import os

while True:
    try:
        os.fork()
    except OSError:
        pass
