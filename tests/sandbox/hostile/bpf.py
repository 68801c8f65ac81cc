# expected: denied:syscall
"""Loads a program into the kernel."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(321, 0, None, 0) < 0:
    raise OSError(ctypes.get_errno(), "refused")
