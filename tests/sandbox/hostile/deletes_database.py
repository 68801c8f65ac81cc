# expected: denied:fs
"""Deletes a file of the host."""

import os

os.remove('@HOST@/memory.duckdb')
