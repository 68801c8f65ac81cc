# expected: denied:syscall
"""Becomes another program."""

import os

os.execv('/bin/true', ['true'])
