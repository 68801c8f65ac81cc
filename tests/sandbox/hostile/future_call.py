# expected: denied:syscall
"""Makes a call that no Linux has yet."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(1000) < 0:
    raise OSError(ctypes.get_errno(), "refused")
