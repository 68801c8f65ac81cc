"""How much space the disk of a home has left."""

import shutil
from pathlib import Path

MIN_FREE_BYTES = 256 << 20
"""A campaign does not start with less."""
FULL_BYTES = 16 << 20
"""With less than this, a service that fails has most likely found the disk full; it could not log that."""


def shortage(folder: Path, least: int) -> str:
    """Return how little space there is and how much is needed, if it is less than `least` bytes; '' otherwise."""
    free = shutil.disk_usage(folder).free
    if free >= least:
        return ""
    return (
        f"too little disk space under {folder} ({free >> 20} MiB free); hint: free at least {MIN_FREE_BYTES >> 20} MiB"
    )
