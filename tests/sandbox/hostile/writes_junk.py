# expected: protocol_error
"""Writes junk to every descriptor."""

import os

for number in range(3, 64):
    try:
        os.write(number, b"\x80\x04junk" * 100)
    except OSError:
        pass
