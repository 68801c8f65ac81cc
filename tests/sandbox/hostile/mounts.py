# expected: denied:syscall
"""Mounts a file system."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0:
    raise OSError(ctypes.get_errno(), "refused")
