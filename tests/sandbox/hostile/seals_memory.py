# expected: denied:syscall
"""Seals its memory, by a call that Linux has since 6.10."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(462, None, 0, 0) < 0:
    raise OSError(ctypes.get_errno(), "refused")
