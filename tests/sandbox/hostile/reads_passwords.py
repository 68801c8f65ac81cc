# expected: denied:fs
"""Reads the list of users."""

open('/etc/passwd').read()
