# expected: limit:memory
"""Allocates memory as shared maps, which some limits don't count."""

import mmap

blocks = []
while True:
    blocks.append(mmap.mmap(-1, 64 << 20))
    blocks[-1].write(b"x" * (64 << 20))
