"""Trained weights as a safetensors file: written whole or not at all, and never unpickled."""

import hashlib
import os
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from sandbox import JailFault
from trainer.scales import Scale
from trainer.tasks.kinds import Compression

MAX_BUFFER_SHARE = 0.05
"""Most scalars that training may leave in buffers, as a share of the parameter budget."""


def count_scalars(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars of one task's model among arrays named `task.name`."""
    return sum(array.size for name, array in arrays.items() if name.startswith(f"{task}."))


def count_buffer_scalars(arrays: dict[str, np.ndarray], task: str) -> int:
    """Return the number of scalars that training left in buffers of one task's model (`buffers.task.name`)."""
    return count_scalars(arrays, f"buffers.{task}")


def check_sizes(arrays: dict[str, np.ndarray], scale: Scale, parameters: int) -> None:
    """Compare the weights of every task's model with the claimed number of parameters.

    The compression task's decoder does not count. Buffers have a limit, so that they are no second memory. Raises
    JailFault.
    """
    counts = {
        count_scalars(arrays, name) - (count_scalars(arrays, f"{name}.decoder") if isinstance(task, Compression) else 0)
        for name, task in scale.tasks.items()
    }
    if counts != {parameters}:
        raise JailFault("protocol_error", f"{parameters} parameters were claimed, {sorted(counts)} came")
    in_buffers = max(count_buffer_scalars(arrays, task) for task in scale.tasks)
    if in_buffers > MAX_BUFFER_SHARE * scale.shape.parameters:
        raise JailFault(
            "parameter_budget",
            f"training left {in_buffers} numbers in buffers, over {MAX_BUFFER_SHARE:.0%} of the budget",
        )


def write_safetensors(arrays: dict[str, np.ndarray], path: Path | None, metadata: dict[str, str] | None = None) -> str:
    """Write arrays and metadata to `path` (None: nowhere) and return the SHA-256 of the content. Raises OSError."""
    content = save(arrays, metadata)
    if path is not None:
        _replace_file(path, content)
    return hashlib.sha256(content).hexdigest()


def _replace_file(path: Path, content: bytes) -> None:
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
