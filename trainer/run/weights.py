"""Trained weights as a safetensors file: written whole or not at all, and never unpickled."""

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from sandbox import JailFault
from trainer.scales import Scale
from trainer.tasks.kinds import Compression

MAX_BUFFER_SHARE = 0.05
"""Most bytes that training may leave in buffers, as a share of those of the parameter budget."""
BYTES_PER_PARAMETER = 4


def count_scalars(forms: Mapping[str, tuple[str, tuple[int, ...]]], task: str) -> int:
    """Return the number of scalars of one task's model among arrays named `task.name`."""
    return sum(math.prod(shape) for name, (_, shape) in forms.items() if name.startswith(f"{task}."))


def split_vector(vector: np.ndarray, forms: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """Return the arrays of a vector [P] that holds them one after another."""
    ends = np.cumsum([math.prod(shape) for _, shape in forms.values()])[:-1]
    pieces = np.split(vector, ends)
    return {name: piece.reshape(shape) for (name, (_, shape)), piece in zip(forms.items(), pieces, strict=True)}


def check_parameters(forms: Mapping[str, tuple[str, tuple[int, ...]]], scale: Scale, parameters: int) -> None:
    """Compare the described weights of every task's model with the claimed number of parameters. Raises JailFault.

    The compression task's decoder does not count.
    """
    counts = {
        count_scalars(forms, name) - (count_scalars(forms, f"{name}.decoder") if isinstance(task, Compression) else 0)
        for name, task in scale.tasks.items()
    }
    if counts != {parameters}:
        raise JailFault("protocol_error", f"{parameters} parameters were claimed, {sorted(counts)} were described")


def check_buffers(arrays: Mapping[str, np.ndarray], scale: Scale) -> None:
    """Raise JailFault if the buffers of a task's model are so large that they could be a second memory."""
    size = max(
        sum(array.nbytes for name, array in arrays.items() if name.startswith(f"buffers.{task}."))
        for task in scale.tasks
    )
    if size > MAX_BUFFER_SHARE * BYTES_PER_PARAMETER * scale.shape.parameters:
        raise JailFault(
            "parameter_budget",
            f"training left {size} bytes in buffers, over {MAX_BUFFER_SHARE:.0%} of the budget",
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
