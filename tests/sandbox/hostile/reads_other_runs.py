# expected: denied:fs
"""Reads the host's folder of runs."""

import os

os.listdir('@HOST@')
