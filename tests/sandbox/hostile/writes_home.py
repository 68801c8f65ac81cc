# expected: denied:fs
"""Writes to root's home."""

open('/root/owned', 'w').write('x')
