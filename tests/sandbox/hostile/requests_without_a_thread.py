# expected: denied:syscall
"""Sets up a queue of the machine's asynchronous requests, of which it has 65,536 for all users."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(206, 1000, ctypes.byref(ctypes.c_ulong(0))) < 0:
    raise OSError(ctypes.get_errno(), "refused")
