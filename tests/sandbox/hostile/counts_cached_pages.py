# expected: denied:syscall
"""Asks which pages of a library the machine holds in memory, by a call that Linux has since 6.5."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(451, 0, None, None, 0) < 0:
    raise OSError(ctypes.get_errno(), "refused")
