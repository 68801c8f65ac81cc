# expected: passed
"""Looks for secrets in the environment, and for descriptors that others left open."""

import os

assert "@SECRET@" not in "".join(os.environ.values())
assert not any(word in name for name in os.environ for word in ("NATS", "KEY", "TOKEN", "MOVE37"))
opened = []
for number in range(64):
    try:
        os.fstat(number)
        opened.append(number)
    except OSError:
        pass
assert len(opened) <= 4, opened
assert os.getuid() != 0
