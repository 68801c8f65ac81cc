# expected: denied:syscall
"""Allocates memory that no process table shows."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(447, 0) < 0:
    raise OSError(ctypes.get_errno(), "refused")
