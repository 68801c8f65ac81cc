# expected: timeout
# seconds: 2
"""Sends itself SIGSTOP and sleeps for ever."""

import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
