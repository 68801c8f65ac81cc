# expected: denied:fs
"""Reads out of bounds through a link of its own."""

import os

os.symlink('/proc/1/environ', 'link')
open('link').read()
