# expected: passed
"""Leaves a non-daemon thread behind."""

import threading
import time

threading.Thread(target=time.sleep, args=(1000,)).start()
