# expected: denied:syscall
"""Asks for the tree of mounts, by a call that Linux has since 6.8."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(457, None, None, 0, 0) < 0:
    raise OSError(ctypes.get_errno(), "refused")
