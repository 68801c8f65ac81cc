# expected: denied:fs
"""Replaces a file of the trainer."""

import sys

open(sys.modules['sandbox.frames'].__file__, 'w').write('x')
