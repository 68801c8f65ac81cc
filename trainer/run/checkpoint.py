"""A run's checkpoint on disk: the worker's arrays as they came, and the parent's own record.

If a trainer dies, the request is delivered again. The run then resumes from its checkpoint and ends with the same
weights, bit for bit on one machine. Of the arrays, the parent checks names, dtypes and shapes. It never reads their
values, since the candidate made them, and sends them back only to a run of the same source. The file holds a digest of
the request, so a checkpoint of another source, seed or ladder is ignored.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from trainer.run import weights
from trainer.run.monitor import Reading


class Checkpoint(NamedTuple):
    """The state of a run after some of its steps."""

    step: int
    """Steps completed."""
    seconds: float
    """Wall seconds that the run had taken."""
    readings: tuple[Reading, ...]
    """All readings so far."""
    arrays: dict[str, np.ndarray]
    """State of the training, as the worker sent it."""


def checkpoint_path(artifact: Path) -> Path:
    """Return the path of the checkpoint for a run that writes its weights to `artifact`."""
    return artifact.with_suffix(".checkpoint")


def save_checkpoint(artifact: Path, digest: str, checkpoint: Checkpoint) -> None:
    """Write the file, whole or not at all, in place of an earlier one. Raises OSError."""
    readings = [[reading.step, reading.losses, reading.step_seconds] for reading in checkpoint.readings]
    record = {"step": checkpoint.step, "seconds": checkpoint.seconds, "readings": readings}
    metadata = {"request": digest, "run": json.dumps(record)}
    weights.write_safetensors(checkpoint.arrays, checkpoint_path(artifact), metadata)


def load_checkpoint(artifact: Path, digest: str) -> Checkpoint | None:
    """Return the checkpoint of the same request; None if there is no readable one."""
    try:
        with safe_open(checkpoint_path(artifact), "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("request") != digest:
                return None
            record = json.loads(metadata["run"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file is no mapping)
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    readings = tuple(Reading(step, losses, seconds) for step, losses, seconds in record["readings"])
    return Checkpoint(record["step"], record["seconds"], readings, arrays)


def delete_checkpoint(artifact: Path) -> None:
    """Delete the checkpoint of a finished run, if there is one."""
    checkpoint_path(artifact).unlink(missing_ok=True)
