# expected: denied:syscall
"""Starts a shell."""

import subprocess

subprocess.run(['/bin/sh', '-c', 'id'], check=True)
