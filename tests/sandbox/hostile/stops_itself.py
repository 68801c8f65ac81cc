# expected: timeout
# seconds: 2
"""Stops itself by SIGSTOP."""

import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
