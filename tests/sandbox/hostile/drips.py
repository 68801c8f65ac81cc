# expected: timeout
# seconds: 2
"""Begins a frame and sleeps before its end."""

import os
import struct
import time

for number in range(3, 64):
    try:
        os.write(number, struct.pack("<4sBIQ", b"m37f", 1, 1000, 0))
    except OSError:
        pass
time.sleep(1000)
