"""Whether Triton interprets kernels on the CPU; imported without Triton itself."""

import os
from functools import cache


@cache
def is_interpreted() -> bool:
    """Return True if TRITON_INTERPRET is 1 in the environment. Triton, too, reads it once, when it is imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"
