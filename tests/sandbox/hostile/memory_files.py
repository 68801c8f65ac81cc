# expected: denied:syscall
"""Allocates memory as files that are in no file system."""

import os

os.memfd_create('hidden')
