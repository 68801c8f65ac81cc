# expected: denied:syscall
"""Raises its own limits."""

import resource

resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6))
