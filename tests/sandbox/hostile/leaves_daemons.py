# expected: passed
"""Leaves daemons, zombies and threads behind."""

import os
import threading
import time

for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(1000)
if os.fork() == 0:
    os._exit(0)
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
