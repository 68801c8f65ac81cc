# expected: denied:syscall
"""Locks every second byte of a file; the kernel stores each lock in memory that no limit counts."""

import fcntl

with open('file', 'w') as file:
    for byte in range(0, 1 << 24, 2):
        fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
