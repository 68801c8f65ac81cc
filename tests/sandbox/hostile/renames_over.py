# expected: denied:fs
"""Moves a file of its own over one of the library."""

import os
import torch

open('mine', 'w').write('x')
os.rename('mine', torch.__file__)
