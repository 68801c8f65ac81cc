# expected: limit:output
"""Writes to the error stream without end."""

import os

while True:
    os.write(2, b'spam' * 1000)
