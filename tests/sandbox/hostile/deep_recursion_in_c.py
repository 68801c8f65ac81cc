# expected: crash:SIGSEGV|error|limit:memory
"""Recurses in C with the guard taken off."""

import sys

sys.setrecursionlimit(10**8)


def down(depth):
    return sorted([depth], key=down)


down(0)
