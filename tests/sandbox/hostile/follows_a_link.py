# expected: denied:fs
"""Reads outside its folders through its own link."""

import os

os.symlink('/proc/1/environ', 'link')
open('link').read()
