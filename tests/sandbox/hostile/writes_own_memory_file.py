# expected: denied:fs
"""Opens its memory as a file."""

open('/proc/self/mem', 'r+b')
