# expected: denied:signal
"""Queues a signal by the raw system call."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
if libc.sigqueue(1, 9, 0) < 0:
    raise OSError(ctypes.get_errno(), "sigqueue")
