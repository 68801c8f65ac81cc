"""Trained weights as a safetensors file: written whole or not at all, and never unpickled."""

import hashlib
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save


def count(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars of one task's model among arrays named `task.name`."""
    return sum(array.size for name, array in arrays.items() if name.startswith(f"{task}."))


def count_buffers(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars that training left in buffers of one task's model (`buffers.task.name`)."""
    return count(arrays, f"buffers.{task}")


def write(arrays: dict[str, np.ndarray], path: Path | None, about: dict[str, str] | None = None) -> str:
    """Write the file (None: nowhere), words about it included, and return its SHA-256. Raises OSError."""
    content = save(arrays, about)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()
