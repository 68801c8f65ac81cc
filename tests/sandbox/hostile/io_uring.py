# expected: denied:syscall
"""Sets up an io_uring, whose requests no filter sees."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(425, 4, ctypes.create_string_buffer(120)) < 0:
    raise OSError(ctypes.get_errno(), "refused")
