# expected: limit:memory
"""Takes memory as shared maps, which some limits don't count."""

import mmap

kept = []
while True:
    kept.append(mmap.mmap(-1, 64 << 20))
    kept[-1].write(b"x" * (64 << 20))
