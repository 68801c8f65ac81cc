# expected: denied:fs
"""Reads the environment of process 1."""

open('/proc/1/environ').read()
