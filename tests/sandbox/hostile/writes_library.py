# expected: denied:fs
"""Appends to an installed library."""

import torch

open(torch.__file__, 'a').write('x')
