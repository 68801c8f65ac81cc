# expected: limit:memory
"""Allocates as much memory as it can in many processes, and ignores every refusal."""

import os
import time

for _ in range(6):
    if os.fork() == 0:
        blocks = []
        for _ in range(200):
            try:
                blocks.append(bytearray(os.urandom(1 << 20)))
            except MemoryError:
                pass
        time.sleep(60)
time.sleep(60)
