# expected: denied:syscall
"""Replaces itself by another program."""

import os

os.execv('/bin/true', ['true'])
