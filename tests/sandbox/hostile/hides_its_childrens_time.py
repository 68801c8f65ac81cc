# expected: timeout
# seconds: 4
"""Two children at a time, each gone before anybody looks, and their parent ignores their ends."""

import os
import signal
import time

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    for _ in range(2):
        if os.fork() == 0:
            end = time.process_time() + 0.02
            while time.process_time() < end:
                pass
            os._exit(0)
    time.sleep(0.03)
