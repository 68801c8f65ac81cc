# expected: protocol_error
"""Announces a frame of a terabyte."""

import os
import struct

for number in range(3, 64):
    try:
        os.write(number, struct.pack("<4sBIQ", b"m37f", 1, 10, 1 << 40))
    except OSError:
        pass
