# expected: denied:syscall
"""Becomes root of its own user namespace."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) < 0:
    raise OSError(ctypes.get_errno(), "refused")
