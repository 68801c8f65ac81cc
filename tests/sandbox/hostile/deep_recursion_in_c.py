# expected: crash:SIGSEGV|error|limit:memory
"""Recurses in C with a very high recursion limit."""

import sys

sys.setrecursionlimit(10**8)


def down(depth):
    return sorted([depth], key=down)


down(0)
