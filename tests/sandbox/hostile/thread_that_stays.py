# expected: passed
"""Leaves a thread behind that is no daemon."""

import threading
import time

threading.Thread(target=time.sleep, args=(1000,)).start()
