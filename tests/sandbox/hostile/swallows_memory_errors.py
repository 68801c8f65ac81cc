# expected: limit:memory
"""Takes all it can get in many processes, and swallows every refusal."""

import os
import time

for _ in range(6):
    if os.fork() == 0:
        kept = []
        for _ in range(200):
            try:
                kept.append(bytearray(os.urandom(1 << 20)))
            except MemoryError:
                pass
        time.sleep(60)
time.sleep(60)
