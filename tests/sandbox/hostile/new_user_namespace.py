# expected: denied:syscall
"""Becomes root of a namespace of its own."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) < 0:
    raise OSError(ctypes.get_errno(), "refused")
