"""Trained weights as a safetensors file: written whole or not at all, and never unpickled."""

import hashlib
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from sandbox import JailFault
from trainer.scales import Scale
from trainer.tasks.kinds import Compression

CARRIED = 0.05
"""Most scalars that training may leave in buffers, as a share of the parameter budget."""


def count(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars of one task's model among arrays named `task.name`."""
    return sum(array.size for name, array in arrays.items() if name.startswith(f"{task}."))


def count_buffers(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars that training left in buffers of one task's model (`buffers.task.name`)."""
    return count(arrays, f"buffers.{task}")


def check(arrays: dict[str, np.ndarray], scale: Scale, parameters: int) -> None:
    """Hold the claimed parameters against the weights of every task's model; buffers are no second memory.

    Raises JailFault.
    """
    counts = {
        count(arrays, name) - (count(arrays, f"{name}.decoder") if isinstance(task, Compression) else 0)
        for name, task in scale.tasks.items()
    }
    if counts != {parameters}:
        raise JailFault("protocol_error", f"{parameters} parameters were claimed, {sorted(counts)} came")
    carried = max(count_buffers(arrays, task) for task in scale.tasks)
    if carried > CARRIED * scale.shape.parameters:
        raise JailFault(
            "parameter_budget", f"training left {carried} numbers in buffers, over {CARRIED:.0%} of the budget"
        )


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
